from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from bedrock_import.exceptions import (
    BedrockRequestRefusedError,
    EvaluationJobFailedError,
    EvaluationJobStateError,
    EvaluationJobTimeoutError,
)
from bedrock_import.links import evaluation_job_url
from bedrock_import.sensors import BedrockEvaluationJobCompletedSensor
from tests.support.fake_bedrock import ACCOUNT, FakeBedrock, aws_error
from tests.support.task_run import FakeTaskInstance, run_task

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
JOB = f"{ACCOUNT}:evaluation-job/abcdefghijkl"


def sensor(**kwargs: Any) -> BedrockEvaluationJobCompletedSensor:
    arguments = {"task_id": "wait", "poke_interval": 0.01, "timeout": 5} | kwargs
    return BedrockEvaluationJobCompletedSensor(job_arn=JOB, job_name="capitals-1", **arguments)


def given(bedrock: FakeBedrock, *states: str, **members: Any) -> None:
    bedrock.evaluation = {"jobName": "capitals-1", **members}
    bedrock.upcoming_evaluation_states = list(states)


@IN_BOTH_MODES
def test_a_job_that_completes_leaves_its_name_and_arn_and_a_link(bedrock: FakeBedrock, deferrable: bool) -> None:
    given(bedrock, "InProgress", "InProgress", "Completed")
    task_instance = FakeTaskInstance()
    assert run_task(sensor(deferrable=deferrable), task_instance) == {"job_arn": JOB, "job_name": "capitals-1"}
    assert task_instance.xcoms["bedrock_evaluation_job"]["job_name"] == "capitals-1"


@IN_BOTH_MODES
@pytest.mark.parametrize("states", [("Failed",), ("Stopping", "Stopped"), ("InProgress", "Deleting")])
def test_a_job_that_does_not_complete_fails_with_every_message_of_bedrock(
    bedrock: FakeBedrock, deferrable: bool, states: tuple[str, ...]
) -> None:
    given(bedrock, *states, failureMessages=["no access to the evaluator", "see the role"])
    with pytest.raises(EvaluationJobFailedError) as caught:
        run_task(sensor(deferrable=deferrable))
    text = str(caught.value)
    assert f"The evaluation job did not complete ({states[-1]}): {JOB}" in text
    assert "Bedrock says: no access to the evaluator; see the role" in text
    assert evaluation_job_url("capitals-1", JOB) in text


@IN_BOTH_MODES
def test_with_soft_fail_a_job_that_does_not_complete_is_a_skip(bedrock: FakeBedrock, deferrable: bool) -> None:
    given(bedrock, "InProgress", "Failed")
    with pytest.raises(AirflowSkipException):
        run_task(sensor(deferrable=deferrable, soft_fail=True))


@IN_BOTH_MODES
@pytest.mark.parametrize(
    ("states", "error"),
    [(("InProgress",), EvaluationJobTimeoutError), (("Paused",), EvaluationJobStateError)],
)
def test_a_job_without_an_end_and_an_unknown_state_have_errors_of_their_own(
    bedrock: FakeBedrock, deferrable: bool, states: tuple[str, ...], error: type[Exception]
) -> None:
    given(bedrock, *states)
    with pytest.raises(error):
        run_task(sensor(deferrable=deferrable, timeout=0.05))


@IN_BOTH_MODES
def test_throttling_is_waited_out_and_a_refusal_ends_the_wait(bedrock: FakeBedrock, deferrable: bool) -> None:
    given(bedrock, "InProgress", "Completed")
    bedrock.faults["get_evaluation_job"] = [aws_error("ThrottlingException")]
    assert run_task(sensor(deferrable=deferrable))["job_arn"] == JOB
    bedrock.faults["get_evaluation_job"] = [aws_error("AccessDeniedException")]
    with pytest.raises(BedrockRequestRefusedError):
        run_task(sensor(deferrable=deferrable))
