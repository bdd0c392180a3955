"""What the states and failures of a training job mean; botocore's service model says which states there are."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from aws_waits.hints import load_hints
from aws_waits.outcomes import format_seconds
from sagemaker_training import exceptions
from sagemaker_training.hints import HINTS, find_hint
from sagemaker_training.hooks import WAITER_PATH, SageMakerTrainingHook
from sagemaker_training.outcomes import (
    JOB_ENDINGS,
    JOB_WAITER,
    PLACED_WAITER,
    START_ENDINGS,
    error_for_event,
    event_for_job,
    event_for_start,
    progress,
)
from sagemaker_training.triggers import (
    SageMakerTrainingJobCompletedTrigger,
    SageMakerTrainingJobStartedTrigger,
    SageMakerTrainingRoomTrigger,
)
from tests.support.task_run import rebuild

ERRORS = [value for value in vars(exceptions).values() if getattr(value, "__module__", "") == exceptions.__name__]
ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/capitals-ft-1"
WAIT: dict[str, Any] = {"started_at": 1000.0, "deadline": 5000.0, "waiter_delay": 60, "first_delay": 5}
TRIGGERS = [
    SageMakerTrainingRoomTrigger(**WAIT, aws_conn_id="aws", region_name="us-east-1"),
    SageMakerTrainingJobStartedTrigger(job_name="capitals-ft-1", **WAIT),
    SageMakerTrainingJobCompletedTrigger(
        job_name="capitals-ft-1", dollars_per_hour=4.6, stop_on_kill=True, **WAIT, botocore_config={"read_timeout": 9}
    ),
]


def enum(name: str) -> set[str]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return set(model.shape_for(name).enum)


def expected(waiter: str) -> set[str]:
    waiters = json.loads(WAITER_PATH.read_text("utf-8"))["waiters"]
    return {acceptor["expected"] for acceptor in waiters[waiter]["acceptors"]}


def job(status: str, secondary: str, reason: str | None = None) -> dict[str, Any]:
    found = {"TrainingJobName": "capitals-ft-1", "TrainingJobArn": ARN, "TrainingJobStatus": status}
    return found | {"SecondaryStatus": secondary} | ({"FailureReason": reason} if reason else {})


def test_the_waiters_know_every_state_that_sagemaker_documents() -> None:
    # A job can be deleted since 2025; then DescribeTrainingJob does not find it.
    assert enum("TrainingJobStatus") - expected(JOB_WAITER) <= {"Deleting"}
    assert enum("SecondaryStatus") - expected(PLACED_WAITER) <= {"Deleting"}


@pytest.mark.parametrize("name", [JOB_WAITER, PLACED_WAITER])
def test_every_waiter_can_be_made(name: str) -> None:
    assert name in SageMakerTrainingHook(aws_conn_id=None, region_name="us-east-1").list_waiters()


@pytest.mark.parametrize("secondary", ["Starting", "Pending", "LaunchingMLInstances"])
def test_a_job_without_instances_is_waited_for(secondary: str) -> None:
    assert event_for_start(job("InProgress", secondary)) is None


@pytest.mark.parametrize("secondary", ["Downloading", "Training", "Interrupted", "Restarting"])
def test_a_job_that_has_had_instances_has_started_and_is_not_over(secondary: str) -> None:
    started = event_for_start(job("InProgress", secondary))
    assert started
    assert started["status"] == "success"
    assert event_for_job(job("InProgress", secondary)) is None


@pytest.mark.parametrize(
    ("response", "error", "said"),
    [
        (job("Failed", "Failed", "CapacityError: Unable"), "TrainingJobFailedError", "another training.job"),
        (job("Failed", "Failed", "AlgorithmError: CUDA out of memory"), "TrainingJobFailedError", "method to qlora"),
        (job("Failed", "Failed", "Something new"), "TrainingJobFailedError", "Something new"),
        (job("Stopped", "MaxRuntimeExceeded"), "TrainingJobStoppedError", "Raise it: the next attempt resumes"),
        (job("Stopped", "MaxWaitTimeExceeded"), "TrainingJobStoppedError", "training.job.max_wait_hours"),
        (job("Stopped", "Stopped"), "TrainingJobStoppedError", "StopTrainingJob was called"),
        (job("Paused", "Paused"), "TrainingJobStateError", "undocumented state 'Paused'"),
    ],
)  # fmt: skip
def test_each_end_that_is_no_success_has_its_error_and_says_what_to_do(
    response: dict[str, Any], error: str, said: str
) -> None:
    event = event_for_job(response)
    for endings in (JOB_ENDINGS, START_ENDINGS):
        raised = error_for_event(json.loads(json.dumps(event)), endings, "capitals-ft-1", ["start_training"])
        assert type(raised).__name__ == error
        assert said in str(raised)
        assert ARN in str(raised)
        final = isinstance(raised, AirflowFailException)
        assert ("clear start_training" in str(raised)) is final


def test_an_event_of_nothing_is_the_triggerers_fault() -> None:
    assert isinstance(error_for_event(None, JOB_ENDINGS, "capitals-ft-1"), exceptions.TrainingJobTriggerError)


def test_the_log_line_says_state_losses_time_and_cost() -> None:
    response = job("InProgress", "Training") | {
        "TrainingStartTime": datetime.now(UTC) - timedelta(minutes=30),
        "FinalMetricDataList": [
            {"MetricName": "train:loss", "Value": 1.25},
            {"MetricName": "train:learning_rate", "Value": 0.1},
        ],
    }
    line = progress(response, 2000, 4.6)
    assert line.startswith("capitals-ft-1: InProgress (Training) after 33m20s, train:loss 1.2500, 30m")
    assert line.endswith("at most 2.30 USD so far")
    assert "learning_rate" not in line
    assert "USD" not in progress(response, 2000, None)


@pytest.mark.parametrize(("seconds", "text"), [(7, "7s"), (725, "12m05s"), (133_200, "37h00m")])
def test_a_duration_is_written_as_people_read_it(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_triggerer_that_restarts_continues_the_same_wait(trigger: Any) -> None:
    assert rebuild(trigger).serialize() == trigger.serialize()
    assert trigger.serialize()[1]["deadline"] == 5000.0


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_survives_pickling_and_derives_from_airflows(error: type[exceptions.SageMakerTrainingError]) -> None:
    original = error("It failed", resource="arn", failure_message="why", hint="do", next_step="clear", console_url="u")
    again = pickle.loads(pickle.dumps(original))
    assert (type(again), vars(again)) == (error, vars(original))
    assert "SageMaker says: why" in str(again)
    assert isinstance(again, AirflowException)


def test_every_hint_names_a_page_and_what_it_is_for() -> None:
    for hint in load_hints(HINTS):
        assert hint.code or hint.message
        assert hint.see.startswith("https://docs.aws.amazon.com/")
    assert find_hint("TeapotException", "short and stout") is None
