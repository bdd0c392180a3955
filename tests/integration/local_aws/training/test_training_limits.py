"""What limits a training job: spot capacity, waiting, disk, and what may be asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.training.conftest import Training
from tests.support.training_jobs import COUNTS

WAITS = "import time; time.sleep(600)"
FILLS_THE_DISK = """
import os, pathlib, time
pathlib.Path(os.environ["ML_ROOT"], "model/large").write_bytes(bytes(20_000_000))
time.sleep(600)
"""
TALKS = """
import os
open(os.environ["ML_ROOT"] + "/output/failure", "w").write("no " * 2_000_000)
raise SystemExit(1)
"""


def spot(run: int, wait: int) -> dict[str, Any]:
    limits = {"MaxRuntimeInSeconds": run, "MaxWaitTimeInSeconds": wait}
    return {"EnableManagedSpotTraining": True, "StoppingCondition": limits}


def states(job: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in job["SecondaryStatusTransitions"]]


def test_an_interrupted_spot_job_tells_each_state_once_and_is_billed_for_less_than_it_trained(
    training: Training,
) -> None:
    queue = training.watch()
    name = training.start(COUNTS, **spot(600, 600))
    training.wait_for_object(f"checkpoints/{name}/count.txt")
    training.script("interrupt", job=name)
    job = training.wait(name)
    assert states(job).count("Interrupted") == 1
    assert [each["SecondaryStatus"] for each in training.told(queue, name)] == states(job)
    assert all(later["StartTime"] == before["EndTime"] for before, later in pairwise(job["SecondaryStatusTransitions"]))
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]


def test_a_job_that_waits_too_long_for_spot_capacity_ends_without_having_trained(training: Training) -> None:
    training.script("late-capacity", seconds=60)
    job = training.wait(training.start(WAITS, **spot(1, 1)))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert states(job) == ["Starting", "Starting", "MaxWaitTimeExceeded"]
    assert not {"TrainingStartTime", "BillableTimeInSeconds", "ModelArtifacts"} & set(job)


def test_a_job_that_waits_for_capacity_is_stopped_at_once_and_late_capacity_is_used(training: Training) -> None:
    training.script("late-capacity", seconds=60)
    name = training.start(WAITS, **spot(600, 600))
    training.sagemaker.stop_training_job(TrainingJobName=name)
    assert training.wait(name)["TrainingJobStatus"] == "Stopped"
    training.script("late-capacity", seconds=0.2)
    assert training.wait(training.start("", **spot(600, 600)))["TrainingJobStatus"] == "Completed"


def test_training_and_waiting_together_end_at_the_longest_wait(training: Training) -> None:
    job = training.wait(training.start(WAITS, **spot(2, 2)))
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] in ("MaxWaitTimeExceeded", "MaxRuntimeExceeded")


@pytest.mark.parametrize(
    "changes",
    [
        spot(600, 60),
        spot(600, 600) | {"StoppingCondition": {"MaxRuntimeInSeconds": 600}},
        spot(600, 600) | {"EnableManagedSpotTraining": False},
    ],
    ids=["shorter than the training", "none for spot capacity", "one on demand"],
)
def test_a_longest_wait_that_does_not_fit_is_refused(changes: dict[str, Any], training: Training) -> None:
    with pytest.raises(ClientError, match="MaxWaitTimeInSeconds") as raised:
        training.start(WAITS, **changes)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_a_job_whose_files_fill_its_disk_fails(training: Training) -> None:
    job = training.wait(training.start(FILLS_THE_DISK))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].endswith("the files of the job fill more than 0.01 GB")


def test_of_a_long_failure_the_beginning_is_the_reason(training: Training) -> None:
    job = training.wait(training.start(TALKS))
    assert job["FailureReason"].startswith("AlgorithmError: no no ")
    assert len(job["FailureReason"]) <= 1024


def test_jobs_are_listed_by_name_state_and_time_over_pages(training: Training) -> None:
    names = [training.start("", f"{training.bucket}-{number}") for number in range(2)]
    for name in names:
        training.wait(name)
    failed = training.start("raise SystemExit(1)", f"{training.bucket}-failed")
    training.wait(failed)
    pages = training.sagemaker.get_paginator("list_training_jobs")

    def listed(**wanted: Any) -> list[str]:
        found = pages.paginate(NameContains=training.bucket, PaginationConfig={"PageSize": 1}, **wanted)
        return [job["TrainingJobName"] for page in found for job in page["TrainingJobSummaries"]]

    assert listed() == [*names, failed]
    assert listed(SortOrder="Descending") == [failed, *reversed(names)]
    assert listed(StatusEquals="Failed") == [failed]
    created = training.sagemaker.describe_training_job(TrainingJobName=failed)["CreationTime"]
    assert failed not in listed(CreationTimeBefore=created)
