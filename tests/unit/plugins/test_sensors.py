from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from bedrock_import.exceptions import (
    BedrockRequestRefusedError,
    ImportedModelNotReadyError,
    ImportedModelTriggerError,
    ModelImportJobFailedError,
    ModelImportJobStateError,
    ModelImportJobTimeoutError,
    ModelImportJobTriggerError,
)
from bedrock_import.sensors import BedrockImportedModelReadySensor, BedrockModelImportJobCompletedSensor
from tests.support.fake_bedrock import FakeBedrock, aws_error
from tests.support.task_run import FakeTaskInstance, run_task

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
MODEL_ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/mod000000000"
NETWORK_LOST = EndpointConnectionError(endpoint_url="https://bedrock")


def job_sensor(job_identifier: str = "capitals-1", **kwargs: Any) -> BedrockModelImportJobCompletedSensor:
    arguments = {"task_id": "wait_for_import", "poke_interval": 0.01, "timeout": 5} | kwargs
    return BedrockModelImportJobCompletedSensor(job_identifier=job_identifier, **arguments)


def model_sensor(**kwargs: Any) -> BedrockImportedModelReadySensor:
    arguments = {"task_id": "warm_up", "poke_interval": 0.01, "timeout": 5} | kwargs
    return BedrockImportedModelReadySensor(imported_model_arn=MODEL_ARN, **arguments)


def not_ready(times: int) -> list[Exception]:
    return [aws_error("ModelNotReadyException", "loading", "InvokeModel") for _ in range(times)]


@IN_BOTH_MODES
def test_a_completed_job_succeeds_and_leaves_the_model(bedrock: FakeBedrock, deferrable: bool) -> None:
    job = bedrock.add_job("capitals-1", "InProgress")
    bedrock.upcoming_states = ["InProgress", "InProgress", "Completed"]
    assert run_task(job_sensor(deferrable=deferrable)) == {
        "imported_model_arn": job["importedModelArn"],
        "imported_model_name": "capitals",
        "job_arn": job["jobArn"],
        "seconds": 900.0,
    }


@IN_BOTH_MODES
def test_a_failed_job_fails_with_what_bedrock_says_and_what_to_do(bedrock: FakeBedrock, deferrable: bool) -> None:
    job = bedrock.add_job("capitals-1", "InProgress")
    bedrock.upcoming_states = ["InProgress", "Failed"]
    with pytest.raises(ModelImportJobFailedError) as caught:
        run_task(job_sensor(deferrable=deferrable))
    assert caught.value.failure_message == job["failureMessage"]
    assert "model_type in config.json" in str(caught.value)
    assert job["jobArn"] in str(caught.value)
    assert "https://console.aws.amazon.com/bedrock/home?region=us-east-1" in str(caught.value)


@IN_BOTH_MODES
def test_a_failed_job_names_the_task_to_clear_which_is_not_the_one_that_waits(
    bedrock: FakeBedrock, deferrable: bool
) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    bedrock.upcoming_states = ["InProgress", "Failed"]
    with DAG("imports"):
        wait = job_sensor(deferrable=deferrable)
        EmptyOperator(task_id="create_import_job") >> wait
    with pytest.raises(ModelImportJobFailedError) as caught:
        run_task(wait)
    assert "Next step: Correct the cause, then clear create_import_job: it starts another job." in str(caught.value)


@IN_BOTH_MODES
def test_a_wait_that_timed_out_names_no_other_task_to_clear(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    with pytest.raises(ModelImportJobTimeoutError) as caught:
        run_task(job_sensor(deferrable=deferrable, timeout=0.1))
    assert caught.value.next_step is None


@IN_BOTH_MODES
def test_a_job_that_does_not_end_fails_at_the_timeout(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    with pytest.raises(ModelImportJobTimeoutError, match="capitals-1"):
        run_task(job_sensor(deferrable=deferrable, timeout=0.1))


@IN_BOTH_MODES
def test_a_job_that_ended_before_the_timeout_was_noticed_still_succeeds(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.add_job("capitals-1", "Completed")
    assert run_task(job_sensor(deferrable=deferrable, timeout=0))["imported_model_name"] == "capitals"


@IN_BOTH_MODES
def test_a_state_that_the_service_never_documented_fails_by_its_name(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.add_job("capitals-1", "Paused")
    with pytest.raises(ModelImportJobStateError, match="'Paused'"):
        run_task(job_sensor(deferrable=deferrable))


@IN_BOTH_MODES
@pytest.mark.parametrize(
    "fault",
    [
        aws_error("ThrottlingException"),
        aws_error("InternalServerException"),
        aws_error("ExpiredTokenException"),
        NETWORK_LOST,
        NoCredentialsError(),
    ],
    ids=["throttled", "server error", "expired credentials", "network lost", "no credentials"],
)
def test_a_wait_outlives_what_passes_by_itself(bedrock: FakeBedrock, deferrable: bool, fault: Exception) -> None:
    bedrock.add_job("capitals-1", "Completed")
    bedrock.faults["get_model_import_job"] = [fault, fault, fault]
    assert run_task(job_sensor(deferrable=deferrable))["imported_model_name"] == "capitals"


@IN_BOTH_MODES
def test_a_wait_that_is_throttled_for_ever_ends_at_the_timeout_and_says_so(
    bedrock: FakeBedrock, deferrable: bool
) -> None:
    bedrock.add_job("capitals-1", "Completed")
    bedrock.faults["get_model_import_job"] = [aws_error("ThrottlingException", "Rate exceeded")] * 1000
    with pytest.raises(ModelImportJobTimeoutError, match="Rate exceeded"):
        run_task(job_sensor(deferrable=deferrable, timeout=0.2))


@IN_BOTH_MODES
def test_a_forbidden_request_fails_at_once_and_names_the_missing_right(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    denied = aws_error("AccessDeniedException", "not authorized to perform bedrock:Get", "GetModelImportJob")
    bedrock.faults["get_model_import_job"] = [denied]
    with pytest.raises(BedrockRequestRefusedError, match="refused GetModelImportJob with AccessDeniedException"):
        run_task(job_sensor(deferrable=deferrable))


@IN_BOTH_MODES
@pytest.mark.parametrize("state", ["Failed", "Paused", "InProgress"])
def test_soft_fail_skips_instead_of_every_failure(bedrock: FakeBedrock, deferrable: bool, state: str) -> None:
    bedrock.add_job("capitals-1", state)
    with pytest.raises(AirflowSkipException):
        run_task(job_sensor(deferrable=deferrable, soft_fail=True, timeout=0.05))


@IN_BOTH_MODES
def test_soft_fail_skips_instead_of_a_refusal(bedrock: FakeBedrock, deferrable: bool) -> None:
    with pytest.raises(AirflowSkipException):
        run_task(job_sensor("no-such-job", deferrable=deferrable, soft_fail=True))


def test_a_rescheduled_sensor_counts_from_its_first_start(
    bedrock: FakeBedrock, task_instance: FakeTaskInstance
) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    sensor = job_sensor(mode="reschedule", timeout=60)
    with pytest.raises(AirflowRescheduleException):
        sensor.execute({"ti": task_instance})
    task_instance.first_reschedule_date = datetime.now(UTC) - timedelta(minutes=2)
    with pytest.raises(ModelImportJobTimeoutError, match="2m00s"):
        sensor.execute({"ti": task_instance})


def test_a_trigger_that_died_fails_with_its_own_error(bedrock: FakeBedrock) -> None:
    with pytest.raises(ModelImportJobTriggerError, match="Trigger failure"):
        job_sensor(deferrable=True).resume_execution("__fail__", {"error": "Trigger failure"}, {})


def test_a_trigger_that_died_is_a_skip_with_soft_fail(bedrock: FakeBedrock) -> None:
    with pytest.raises(AirflowSkipException):
        job_sensor(deferrable=True, soft_fail=True).resume_execution("__fail__", {"error": "Trigger failure"}, {})


@pytest.mark.parametrize("event", [None, {}, {"status": "running"}], ids=str)
def test_an_event_without_a_known_status_never_passes_for_success(
    bedrock: FakeBedrock, event: Any, task_instance: FakeTaskInstance
) -> None:
    with pytest.raises(ModelImportJobTriggerError):
        job_sensor().execute_complete({"ti": task_instance}, event)
    with pytest.raises(ImportedModelTriggerError):
        model_sensor().execute_complete({"ti": task_instance}, event)


@IN_BOTH_MODES
def test_a_failure_survives_pickling_with_all_its_parts(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.add_job("capitals-1", "Failed")
    with pytest.raises(ModelImportJobFailedError) as caught:
        run_task(job_sensor(deferrable=deferrable))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), vars(again)) == (str(caught.value), vars(caught.value))


@IN_BOTH_MODES
def test_links_are_there_before_the_wait_and_help_after_a_failure(
    bedrock: FakeBedrock, deferrable: bool, task_instance: FakeTaskInstance
) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    sensor = job_sensor(deferrable=deferrable, timeout=0)
    with pytest.raises((TaskDeferred, ModelImportJobTimeoutError)):
        sensor.execute({"ti": task_instance})
    assert set(task_instance.xcoms) == {"bedrock_model_import_job", "bedrock_import_help"}
    general_page = task_instance.xcoms["bedrock_import_help"]["see"]
    denied = aws_error("AccessDeniedException", "not allowed", "GetModelImportJob")
    bedrock.faults["get_model_import_job"] = [denied]
    with pytest.raises(BedrockRequestRefusedError):
        run_task(sensor, task_instance)
    assert task_instance.xcoms["bedrock_import_help"]["see"] not in (general_page, None)


def test_the_usual_duration_may_come_from_a_template(bedrock: FakeBedrock) -> None:
    sensor = job_sensor(usual_seconds="900.0")
    assert sensor.make_trigger(started_at=0, deadline=1).usual_seconds == 900.0


@IN_BOTH_MODES
def test_a_cold_model_is_waited_for_and_the_time_is_told(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.faults["invoke_model"] = not_ready(3)
    result = run_task(model_sensor(deferrable=deferrable))
    assert result["cold_start_seconds"] >= 0
    assert bedrock.calls.count("invoke_model") == 4


@IN_BOTH_MODES
def test_a_model_that_stays_cold_fails_at_the_timeout(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.faults["invoke_model"] = not_ready(1000)
    with pytest.raises(ImportedModelNotReadyError, match="not answering"):
        run_task(model_sensor(deferrable=deferrable, timeout=0.1))


@IN_BOTH_MODES
def test_a_prompt_that_the_model_refuses_fails_at_once(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.faults["invoke_model"] = [aws_error("ValidationException", "Malformed input", "InvokeModel")]
    with pytest.raises(BedrockRequestRefusedError, match="Malformed input"):
        run_task(model_sensor(deferrable=deferrable))


def test_botocore_does_not_retry_a_cold_model_on_its_own() -> None:
    sensor = model_sensor(botocore_config={"connect_timeout": 5})
    assert sensor.botocore_config == {
        "connect_timeout": 5,
        "read_timeout": 300,
        "retries": {"total_max_attempts": 1},
    }


def test_every_failure_of_a_sensor_is_one_that_soft_fail_understands() -> None:
    from bedrock_import.outcomes import EVALUATION_ENDINGS, JOB_ENDINGS, MODEL_ENDINGS

    all_endings = (EVALUATION_ENDINGS, JOB_ENDINGS, MODEL_ENDINGS)
    errors = [ending.error for endings in all_endings for ending in endings.values()]
    assert all(issubclass(error, AirflowException) for error in errors)
