"""Training jobs with an entrypoint run it as a process of this machine."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_aws.training.conftest import ACCOUNT, INSTANCE, Training
from tests.support.training_jobs import COUNTS

REPORTS = """
import json, os, pathlib
root = pathlib.Path(os.environ["ML_ROOT"])
print("loss=2.5 loss=1.25", flush=True)
seen = {name: os.environ.get(name) for name in ("TRAINING_JOB_NAME", "TRAINING_JOB_ARN", "COLOUR", "AWS_ACCESS_KEY_ID")}
seen |= {path.stem: json.loads(path.read_text()) for path in (root / "input/config").iterdir()}
seen["files"] = sorted(str(path.relative_to(root / "input/data")) for path in (root / "input/data").rglob("*.*"))
(root / "model/seen.json").write_text(json.dumps(seen))
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def artifact(training: Training, job: dict[str, Any]) -> dict[str, str]:
    """Return the files of a job's model.tar.gz."""
    _, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    content = training.s3.get_object(Bucket=training.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: archive.extractfile(member).read().decode() for member in archive if member.isfile()}  # type: ignore[union-attr]


def test_a_job_finds_what_a_training_container_finds_and_its_model_is_in_s3(training: Training) -> None:
    name = training.start(REPORTS, HyperParameters={"processes": "2"}, Environment={"COLOUR": "blue"})
    job = training.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed", job
    assert job["ModelArtifacts"] == {
        "S3ModelArtifacts": f"s3://{training.bucket}/output/{name}/output/model.tar.gz",
    }
    seen = json.loads(artifact(training, job)["seen.json"])
    assert (seen["TRAINING_JOB_NAME"], seen["TRAINING_JOB_ARN"]) == (name, job["TrainingJobArn"])
    assert (seen["COLOUR"], seen["AWS_ACCESS_KEY_ID"]) == ("blue", None)
    assert seen["hyperparameters"] == {"processes": "2"}
    assert (seen["resourceconfig"]["hosts"], list(seen["inputdataconfig"])) == (["algo-1"], ["code"])
    assert seen["files"] == ["code/job.py"]
    assert job["Environment"] == {"COLOUR": "blue"}


def test_a_job_finds_packages_that_stand_for_those_of_an_image(training: Training) -> None:
    program = "import os, of_the_image; open(os.environ['SM_MODEL_DIR'] + '/value', 'w').write(str(of_the_image.VALUE))"
    assert artifact(training, training.wait(training.start(program))) == {"value": "7"}


def test_a_jobs_record_tells_its_states_its_times_and_its_last_losses(training: Training) -> None:
    job = training.wait(training.start(REPORTS))
    states = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert states == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("train:loss", 1.25)]


def test_each_state_is_sent_to_eventbridge(training: Training) -> None:
    queue = training.watch()
    name = training.start(REPORTS)
    job = training.wait(name)
    told = training.told(queue, name)
    assert [each["SecondaryStatus"] for each in told] == [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert [each.get("ModelArtifacts") for each in told] == [*[None] * (len(told) - 1), job["ModelArtifacts"]]


def test_a_failed_job_has_the_reason_that_its_script_wrote(training: Training) -> None:
    program = (
        "import os; open(os.environ['ML_ROOT'] + '/output/failure', 'w').write('no such layer'); raise SystemExit(3)"
    )
    job = training.wait(training.start(program))
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", "AlgorithmError: no such layer, exit code: 3")
    assert "ModelArtifacts" not in job
    silent = training.wait(training.start("raise ValueError('bad')"))
    assert "ValueError: bad" in silent["FailureReason"]


def test_a_stopped_job_gets_sigterm_and_its_checkpoints_are_in_s3(training: Training) -> None:
    name = training.start(COUNTS)
    training.wait_for_object(f"checkpoints/{name}/count.txt")
    training.sagemaker.stop_training_job(TrainingJobName=name)
    job = training.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert training.text(f"checkpoints/{name}/stopped.txt") == "yes"
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-2:] == ["Stopping", "Stopped"]
    training.sagemaker.stop_training_job(TrainingJobName=name)
    assert training.wait(name)["TrainingJobStatus"] == "Stopped"


def test_a_job_that_does_not_obey_sigterm_is_killed_after_the_time_it_has(training: Training) -> None:
    name = training.start(DEAF)
    training.wait(name, "Training")
    training.sagemaker.stop_training_job(TrainingJobName=name)
    assert training.wait(name)["TrainingJobStatus"] == "Stopped"


def test_a_job_that_runs_too_long_is_stopped(training: Training) -> None:
    job = training.wait(training.start(COUNTS, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_job_that_loses_its_spot_instance_starts_again_from_its_checkpoint(training: Training) -> None:
    name = training.start(COUNTS)
    training.wait_for_object(f"checkpoints/{name}/count.txt")
    training.script("interrupt", job=name)
    job = training.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job
    states = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert states[2:7] == ["Training", "Interrupted", "Restarting", "Downloading", "Training"]
    assert artifact(training, job) == {"began.txt": "2"}
    assert training.text(f"checkpoints/{name}/count.txt") == "4"


def test_without_capacity_a_job_fails_and_the_next_one_runs(training: Training) -> None:
    training.script("no-capacity")
    job = training.wait(training.start(REPORTS))
    assert job["FailureReason"].startswith("CapacityError: ")
    assert training.wait(training.start(REPORTS))["TrainingJobStatus"] == "Completed"


def code_of(training: Training, **changes: Any) -> str:
    with pytest.raises(ClientError) as raised:
        training.start(REPORTS, **changes)
    return str(raised.value.response["Error"]["Code"])


def test_a_name_is_used_once_for_ever(training: Training) -> None:
    name = training.start("")
    training.wait(name)
    assert code_of(training, name=name) == "ResourceInUse"


def test_instances_are_limited_by_a_quota(training: Training) -> None:
    names = [training.start(DEAF) for _ in range(2)]
    assert code_of(training) == "ResourceLimitExceeded"
    other = {"InstanceType": "ml.g6.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    assert training.wait(training.start(REPORTS, ResourceConfig=other))["TrainingJobStatus"] == "Completed"
    for name in names:
        training.sagemaker.stop_training_job(TrainingJobName=name)
        training.wait(name)
    assert other["InstanceType"] != INSTANCE


def test_a_role_that_sagemaker_may_not_assume_is_refused(training: Training) -> None:
    role = training.make_role(f"{training.role}-other", "bedrock.amazonaws.com")
    assert code_of(training, RoleArn=role) == "ValidationException"
    assert code_of(training, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/missing") == "ValidationException"


def test_a_role_that_may_not_read_the_data_fails_the_job(training: Training) -> None:
    role = training.make_role(f"{training.role}-poor")
    job = training.wait(training.start(REPORTS, RoleArn=role))
    assert job["TrainingJobStatus"] == "Failed"
    assert "AccessDenied" in job["FailureReason"]


def test_a_job_without_an_entrypoint_is_a_record_that_is_complete_at_once(training: Training) -> None:
    specification = {"TrainingImage": "image", "TrainingInputMode": "File"}
    job = training.wait(training.start("", AlgorithmSpecification=specification))
    assert job["TrainingJobStatus"] == "Completed"
    with pytest.raises(ClientError, match="Could not find training job"):
        training.sagemaker.stop_training_job(TrainingJobName="missing")
