"""The tasks of a training, through the provider's hooks and real clients, against the stand-in for AWS."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import TaskDeferred
from botocore.exceptions import ConnectionClosedError

from sagemaker_training.exceptions import (
    SageMakerRequestRefusedError,
    TrainingJobFailedError,
    TrainingJobNameTakenError,
    TrainingJobNotStartedError,
    TrainingJobStoppedError,
    TrainingJobTimeoutError,
)
from sagemaker_training.operators import SageMakerCreateTrainingJobOperator
from sagemaker_training.sensors import SageMakerTrainingJobCompletedSensor
from sagemaker_training.triggers import SageMakerTrainingJobCompletedTrigger
from tests.integration.plugins.conftest import ACCOUNT, CONNECTION, Aws, policy
from tests.support.local_aws_process import OWN_HEADERS
from tests.support.task_run import FakeTaskInstance, rebuild, run_task

BUCKET, ROLE = "trainings", f"arn:aws:iam::{ACCOUNT}:role/training"
IN_BOTH_MODES = pytest.mark.parametrize(
    "deferrable", [pytest.param(False, marks=pytest.mark.slow), True], ids=["worker", "triggerer"]
)
QUICK = 'echo train_loss=1.5; touch "$SM_MODEL_DIR/done"'
LONG = "exec sleep 60"
_numbers = itertools.count(1)


class Training:
    """The tasks of a training; every training has a name of its own."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.sagemaker = aws, aws.client("sagemaker")
        self.name = f"training-{next(_numbers)}x"

    def config(self, script: str = QUICK, fingerprint: str = "own", **more: Any) -> dict[str, Any]:
        return {
            "TrainingJobName": self.name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/bash", "-c"],
                "ContainerArguments": [script],
                "MetricDefinitions": [{"Name": "train:loss", "Regex": "train_loss=([0-9.]+)"}],
            },
            "HyperParameters": {"fingerprint": fingerprint},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "ml.g6.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        } | more

    def create(self, script: str = QUICK, fingerprint: str = "own", **kwargs: Any) -> Any:
        arguments: dict[str, Any] = {
            "config": self.config(script, fingerprint),
            "first_delay": 0.1,
            "waiter_delay": 0.2,
            "timeout": 60,
        }
        return SageMakerCreateTrainingJobOperator(
            task_id="start_training", aws_conn_id=CONNECTION, **arguments | kwargs
        )

    def wait(self, job_name: str = "", **kwargs: Any) -> SageMakerTrainingJobCompletedSensor:
        arguments: dict[str, Any] = {"timeout": 60, "poke_interval": 0.1, "aws_conn_id": CONNECTION} | kwargs
        return SageMakerTrainingJobCompletedSensor(task_id="wait", job_name=job_name or self.name, **arguments)

    def jobs(self) -> dict[str, str]:
        found = self.sagemaker.list_training_jobs(NameContains=self.name)["TrainingJobSummaries"]
        return {job["TrainingJobName"]: job["TrainingJobStatus"] for job in found}

    def stop(self, name: str = "") -> None:
        self.sagemaker.stop_training_job(TrainingJobName=name or self.name)

    def until(self, state: str) -> None:
        while self.jobs()[self.name] != state:
            time.sleep(0.1)

    def end(self) -> None:
        for name, status in self.jobs().items():
            if status == "InProgress":
                self.stop(name)
        while {"InProgress", "Stopping"} & set(self.jobs().values()):
            time.sleep(0.1)

    def script(self, fault: str, **body: Any) -> None:
        url = f"{self.aws.endpoint_url}/_local_aws/training/{fault}"
        requests.post(url, json=body, headers=OWN_HEADERS, timeout=10).raise_for_status()


@pytest.fixture(scope="module")
def _role(stand_in: Aws) -> None:
    stand_in.client("s3").create_bucket(Bucket=BUCKET)
    iam = stand_in.client("iam")
    principal = {"Service": "sagemaker.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="training", AssumeRolePolicyDocument=json.dumps(policy(trust)))
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_role_policy(RoleName="training", PolicyName="job", PolicyDocument=json.dumps(policy(allowed)))


@pytest.fixture
def training(aws: Aws, _role: None) -> Iterator[Training]:
    found = Training(aws)
    yield found
    found.end()


@IN_BOTH_MODES
def test_a_training_leaves_its_artifact_its_time_and_its_losses(training: Training, deferrable: bool) -> None:
    started = run_task(training.create(deferrable=deferrable))
    ended = run_task(training.wait(started["job_name"], deferrable=deferrable))
    assert (started["attempt"], started["adopted"]) == (1, False)
    assert ended["artifact_uri"] == f"s3://{BUCKET}/out/{training.name}/output/model.tar.gz"
    assert ended["metrics"] == {"train:loss": 1.5}
    assert ended["training_seconds"] >= 1


@IN_BOTH_MODES
def test_sagemakers_failure_reason_reaches_the_task_with_what_to_do(training: Training, deferrable: bool) -> None:
    said = "mkdir -p ../output; echo 'The training diverged: the loss of step 3' > ../output/failure; sleep 0.5; exit 1"
    name = run_task(training.create(said, deferrable=deferrable))["job_name"]
    with pytest.raises(TrainingJobFailedError, match="AlgorithmError: The training diverged") as caught:
        run_task(training.wait(name, deferrable=deferrable))
    assert "training.learning_rate" in str(caught.value.hint)
    assert "starts the next job, which resumes from the last checkpoint" in str(caught.value.next_step)


@pytest.mark.parametrize("script", [LONG, QUICK], ids=["running", "completed"])
def test_a_job_of_the_same_content_is_adopted_whoever_started_it(training: Training, script: str) -> None:
    training.sagemaker.create_training_job(**training.config(script))
    training.until("Completed") if script == QUICK else None
    assert run_task(training.create(script, deferrable=True))["adopted"]
    assert list(training.jobs()) == [training.name]


@IN_BOTH_MODES
def test_an_answer_that_was_lost_starts_no_second_job(training: Training, deferrable: bool) -> None:
    def lose(**_: Any) -> None:
        raise ConnectionClosedError(endpoint_url="https://sagemaker")

    task = training.create(deferrable=deferrable)
    task.hook.conn.meta.events.register("after-call.sagemaker.CreateTrainingJob", lose)
    assert run_task(task)["job_name"] == training.name
    assert list(training.jobs()) == [training.name]


def test_the_name_rises_only_after_a_job_that_failed_or_was_stopped(training: Training) -> None:
    with pytest.raises(TrainingJobFailedError):
        run_task(training.wait(run_task(training.create("sleep 0.3; exit 1"))["job_name"]))
    second = run_task(training.create(LONG))
    assert (second["job_name"], second["attempt"]) == (f"{training.name}-2", 2)
    training.stop(second["job_name"])
    with pytest.raises(TrainingJobStoppedError, match="StopTrainingJob was called"):
        run_task(training.wait(second["job_name"]))
    assert run_task(training.create())["job_name"] == f"{training.name}-3"
    assert run_task(training.create())["job_name"] == f"{training.name}-3"


def test_a_job_that_is_being_stopped_is_waited_for_before_the_next_one_starts(training: Training) -> None:
    first = run_task(training.create("trap 'sleep 1; exit 1' TERM; sleep 60 & wait"))
    time.sleep(0.5)
    training.stop()
    assert training.jobs()[first["job_name"]] == "Stopping"
    second = run_task(training.create(deferrable=True))
    assert second["job_name"] == f"{training.name}-2"
    assert training.jobs()[first["job_name"]] == "Stopped"


def test_a_completed_job_whose_artifact_was_deleted_is_done_again(training: Training) -> None:
    ended = run_task(training.wait(run_task(training.create())["job_name"]))
    key = ended["artifact_uri"].removeprefix(f"s3://{BUCKET}/")
    training.aws.client("s3").delete_object(Bucket=BUCKET, Key=key)
    assert run_task(training.create())["job_name"] == f"{training.name}-2"


def test_a_name_that_belongs_to_other_content_is_not_adopted(training: Training) -> None:
    run_task(training.create(LONG))
    with pytest.raises(TrainingJobNameTakenError, match="fingerprint own, expected another"):
        run_task(training.create(LONG, "another"))


@IN_BOTH_MODES
def test_without_capacity_the_next_job_starts_after_a_pause(training: Training, deferrable: bool) -> None:
    training.script("no-capacity", jobs=2)
    started = run_task(training.create(deferrable=deferrable))
    assert (started["job_name"], started["attempt"]) == (f"{training.name}-3", 3)
    run_task(training.wait(started["job_name"]))
    assert sorted(training.jobs().values()) == ["Completed", "Failed", "Failed"]


@IN_BOTH_MODES
def test_a_quota_that_is_used_up_is_waited_for(training: Training, deferrable: bool) -> None:
    others = [Training(training.aws) for _ in range(2)]
    for other in others:
        run_task(other.create("exec sleep 1.5"))
    started = run_task(training.create(deferrable=deferrable))
    assert (started["job_name"], started["adopted"]) == (training.name, False)


def test_a_quota_that_stays_used_up_fails_with_what_to_do(training: Training) -> None:
    config = training.config(ResourceConfig={"InstanceType": "ml.p5.48xlarge", "InstanceCount": 9, "VolumeSizeInGB": 1})
    with pytest.raises(TrainingJobNotStartedError, match="ask for a higher quota in Service Quotas") as caught:
        run_task(training.create(config=config, timeout=0.5, deferrable=True))
    assert "ml.p5.48xlarge for training job usage" in str(caught.value)


def test_a_role_that_cannot_be_assumed_is_refused_at_once(training: Training) -> None:
    config = training.config(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/missing")
    with pytest.raises(SageMakerRequestRefusedError, match=r"must let sagemaker\.amazonaws\.com assume it"):
        run_task(training.create(config=config))
    assert training.jobs() == {}


@IN_BOTH_MODES
def test_a_job_that_does_not_end_fails_at_the_deadline_that_is_known_when_the_task_runs(
    training: Training, deferrable: bool
) -> None:
    run_task(training.create(LONG))
    began = time.monotonic()
    with pytest.raises(TrainingJobTimeoutError):
        run_task(training.wait(deferrable=deferrable, timeout=0.1, least_timeout="1.0"))
    assert time.monotonic() - began >= 1


def test_a_spot_interruption_is_waited_through(training: Training) -> None:
    script = 'f="$ML_ROOT/checkpoints/again"; [ -e "$f" ] && exit 0; touch "$f"; exec sleep 60'
    place = {"S3Uri": f"s3://{BUCKET}/checkpoints/{training.name}"}
    run_task(training.create(config=training.config(script, CheckpointConfig=place)))
    time.sleep(1.0)
    training.script("interrupt", job=training.name)
    assert run_task(training.wait(deferrable=True))["job_name"] == training.name
    assert list(training.jobs()) == [training.name]


@pytest.mark.parametrize(("stops", "state"), [(True, "Stopped"), ("False", "InProgress")])
def test_a_killed_wait_stops_the_job_if_asked_to(training: Training, stops: bool | str, state: str) -> None:
    run_task(training.create(LONG))
    with pytest.raises(TaskDeferred) as caught:
        training.wait(deferrable=True, stop_on_kill=stops).execute({"ti": FakeTaskInstance()})
    trigger = rebuild(caught.value.trigger)
    assert isinstance(trigger, SageMakerTrainingJobCompletedTrigger)
    asyncio.run(trigger.on_kill())
    training.until(state)
