from __future__ import annotations

import copy
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from bedrock_import.adoption import numbered
from bedrock_import.exceptions import (
    BedrockRequestRefusedError,
    ModelImportJobFailedError,
    ModelImportJobNameTakenError,
    ModelImportJobNotStartedError,
    ModelImportJobStateError,
    ModelImportJobTimeoutError,
    ModelImportJobTriggerError,
)
from bedrock_import.operators import BedrockCreateModelImportJobOperator
from tests.support.fake_bedrock import FakeBedrock, aws_error
from tests.support.task_run import FakeTaskInstance, run_task

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
TAGS = [{"key": "fingerprint", "value": "f1"}]


def operator(**kwargs: Any) -> BedrockCreateModelImportJobOperator:
    arguments: dict[str, Any] = {
        "task_id": "create_import_job",
        "job_name": "capitals-1",
        "imported_model_name": "capitals",
        "role_arn": "arn:aws:iam::123456789012:role/import",
        "s3_uri": "s3://models/capitals/f1/checkpoint/",
        "client_request_token": "capitals-1",
        "import_job_kwargs": {"jobTags": TAGS, "importedModelTags": TAGS},
        "wait_for_completion": False,
        "waiter_delay": 0.01,
        "waiter_max_attempts": 500,
    }
    return BedrockCreateModelImportJobOperator(**arguments | kwargs)


@IN_BOTH_MODES
def test_a_job_is_created_from_the_arguments(bedrock: FakeBedrock, deferrable: bool) -> None:
    assert run_task(operator(deferrable=deferrable)) == {
        "job_arn": bedrock.jobs["capitals-1"]["jobArn"],
        "job_name": "capitals-1",
        "imported_model_name": "capitals",
        "adopted": False,
    }
    assert bedrock.tags[bedrock.jobs["capitals-1"]["jobArn"]] == {"fingerprint": "f1"}


@pytest.mark.parametrize("state", ["InProgress", "Completed"])
def test_the_same_content_is_adopted_whoever_imported_it(bedrock: FakeBedrock, state: str) -> None:
    job = bedrock.add_job("capitals-1", state)
    assert run_task(operator()) == {
        "job_arn": job["jobArn"],
        "job_name": "capitals-1",
        "imported_model_name": "capitals",
        "adopted": True,
    }
    assert "create_model_import_job" not in bedrock.calls


def test_a_model_of_the_same_content_is_adopted_though_its_job_had_another_name(bedrock: FakeBedrock) -> None:
    job = bedrock.add_job("made-by-hand", "Completed")
    assert run_task(operator())["job_arn"] == job["jobArn"]


def test_running_twice_creates_once(bedrock: FakeBedrock) -> None:
    first, second = run_task(operator()), run_task(operator())
    assert (first["job_arn"], second["adopted"], len(bedrock.jobs)) == (second["job_arn"], True, 1)


def test_after_a_failed_job_the_next_attempt_is_numbered_and_so_is_its_token(bedrock: FakeBedrock) -> None:
    run_task(operator())
    bedrock.set_status(bedrock.jobs["capitals-1"], "Failed")
    second = run_task(operator())
    assert (second["job_name"], second["adopted"]) == ("capitals-1-2", False)
    bedrock.set_status(bedrock.jobs["capitals-1-2"], "Failed")
    assert run_task(operator())["job_name"] == "capitals-1-3"
    assert set(bedrock.tokens) == {"capitals-1", "capitals-1-2", "capitals-1-3"}


def test_a_numbered_attempt_that_runs_is_adopted(bedrock: FakeBedrock) -> None:
    bedrock.add_job("capitals-1", "Failed")
    running = bedrock.add_job("capitals-1-2", "InProgress")
    assert run_task(operator())["job_arn"] == running["jobArn"]


def test_a_model_deleted_behind_our_back_is_imported_again(bedrock: FakeBedrock) -> None:
    bedrock.add_job("capitals-1", "Completed")
    bedrock.models.clear()
    assert run_task(operator())["job_name"] == "capitals-1-2"


@pytest.mark.parametrize("state", ["InProgress", "Completed"])
def test_a_name_that_belongs_to_other_content_is_refused_with_both_fingerprints(
    bedrock: FakeBedrock, state: str
) -> None:
    bedrock.add_job("capitals-1", state, fingerprint="other")
    with pytest.raises(ModelImportJobNameTakenError, match="fingerprint other, expected f1"):
        run_task(operator())


@pytest.mark.parametrize(
    "kwargs", [{"adopt_existing": False}, {"import_job_kwargs": {}}], ids=["told", "no fingerprint"]
)
def test_nothing_is_adopted_unless_it_is_known_to_be_the_same(bedrock: FakeBedrock, kwargs: dict[str, Any]) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    with pytest.raises(ModelImportJobNameTakenError):
        run_task(operator(**kwargs))


def test_an_untagged_job_is_not_taken_for_the_same_as_an_untagged_request(bedrock: FakeBedrock) -> None:
    bedrock.tags[bedrock.add_job("capitals-1", "InProgress")["jobArn"]] = {}
    with pytest.raises(ModelImportJobNameTakenError):
        run_task(operator(import_job_kwargs={}))


@IN_BOTH_MODES
def test_a_job_whose_answer_was_lost_is_found_again(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.lose_answers = True
    bedrock.faults["create_model_import_job"] = [ReadTimeoutError(endpoint_url="https://bedrock")]
    result = run_task(operator(deferrable=deferrable))
    assert (result["adopted"], len(bedrock.jobs)) == (True, 1)


def test_a_job_that_another_run_created_at_the_same_moment_is_adopted(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_race(**_: Any) -> None:
        bedrock.add_job("capitals-1", "InProgress")
        raise aws_error("ValidationException", "The provided job name is currently in use.")

    monkeypatch.setattr(bedrock, "_create_model_import_job", lose_the_race)
    assert run_task(operator())["adopted"]


@IN_BOTH_MODES
@pytest.mark.parametrize(
    "fault",
    [
        aws_error("ServiceQuotaExceededException"),
        aws_error("ThrottlingException"),
        aws_error("ConflictException"),
        aws_error("ExpiredTokenException"),
        ConnectTimeoutError(endpoint_url="https://bedrock"),
    ],
    ids=["quota", "throttled", "conflict", "expired credentials", "network lost"],
)
def test_creation_waits_for_what_passes(bedrock: FakeBedrock, deferrable: bool, fault: Exception) -> None:
    bedrock.faults["create_model_import_job"] = [fault, fault]
    assert not run_task(operator(deferrable=deferrable))["adopted"]


def test_waiting_for_a_slot_holds_no_worker(bedrock: FakeBedrock, task_instance: FakeTaskInstance) -> None:
    bedrock.faults["create_model_import_job"] = [aws_error("ServiceQuotaExceededException")]
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute({"ti": task_instance})
    assert task_instance.xcoms["s3_prefix"]["s3_uri"] == "s3://models/capitals/f1/checkpoint/"
    assert set(task_instance.xcoms) == {link.key for link in BedrockCreateModelImportJobOperator.operator_extra_links}


def test_the_wait_for_a_slot_ends_when_the_running_job_does(bedrock: FakeBedrock) -> None:
    other = bedrock.add_job("other", "InProgress", "other", "f2")
    polls = []

    def list_jobs(**_: Any) -> dict[str, Any]:
        polls.append(1)
        if len(polls) == 3:
            bedrock.set_status(other, "Completed")
        return FakeBedrock._list_model_import_jobs(bedrock)

    bedrock._list_model_import_jobs = list_jobs
    bedrock.faults["create_model_import_job"] = [aws_error("ServiceQuotaExceededException")]
    assert run_task(operator(deferrable=True))["job_name"] == "capitals-1"
    assert len(polls) == 3


@IN_BOTH_MODES
def test_a_quota_that_stays_full_ends_at_the_deadline_with_what_to_do(bedrock: FakeBedrock, deferrable: bool) -> None:
    full = aws_error("ServiceQuotaExceededException", "limit of imported models", "CreateModelImportJob")
    bedrock.faults["create_model_import_job"] = [full] * 1000
    with pytest.raises(ModelImportJobNotStartedError, match="delete models that nothing calls"):
        run_task(operator(deferrable=deferrable, waiter_max_attempts=10))


def test_a_refused_request_fails_at_once_with_what_to_do(bedrock: FakeBedrock) -> None:
    bad_role = aws_error("ValidationException", "The provided role ARN is invalid", "CreateModelImportJob")
    bedrock.faults["create_model_import_job"] = [bad_role]
    with pytest.raises(BedrockRequestRefusedError, match="trust policy") as caught:
        run_task(operator())
    assert "CreateModelImportJob with ValidationException" in str(caught.value)


@IN_BOTH_MODES
def test_waiting_for_completion_adds_the_model_to_the_result(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.upcoming_states = ["InProgress", "InProgress", "Completed"]
    result = run_task(operator(deferrable=deferrable, wait_for_completion=True))
    job = bedrock.jobs["capitals-1"]
    assert result == {
        "job_arn": job["jobArn"],
        "job_name": "capitals-1",
        "imported_model_name": "capitals",
        "adopted": False,
        "imported_model_arn": job["importedModelArn"],
        "seconds": 900.0,
    }


@IN_BOTH_MODES
@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("Failed", ModelImportJobFailedError),
        ("Paused", ModelImportJobStateError),
        ("InProgress", ModelImportJobTimeoutError),
    ],
)
def test_waiting_for_completion_fails_like_the_sensor(
    bedrock: FakeBedrock, deferrable: bool, state: str, error: type[Exception]
) -> None:
    bedrock.upcoming_states = [state]
    with pytest.raises(error, match="model-import-job/"):
        run_task(operator(deferrable=deferrable, wait_for_completion=True, waiter_max_attempts=10))


@IN_BOTH_MODES
def test_waiting_for_completion_outlives_throttling(bedrock: FakeBedrock, deferrable: bool) -> None:
    bedrock.upcoming_states = ["Completed"]
    bedrock.faults["get_model_import_job"] = [aws_error("ThrottlingException")] * 2
    assert "imported_model_arn" in run_task(operator(deferrable=deferrable, wait_for_completion=True))


def test_a_trigger_that_died_fails_with_its_own_error(bedrock: FakeBedrock) -> None:
    with pytest.raises(ModelImportJobTriggerError):
        operator(deferrable=True).resume_execution("__fail__", {"error": "Trigger failure"}, {})


def test_the_arguments_are_not_changed_by_a_run(bedrock: FakeBedrock) -> None:
    task = operator()
    before = copy.deepcopy(task.import_job_kwargs)
    run_task(task)
    assert task.import_job_kwargs == before


@pytest.mark.parametrize(
    ("name", "attempt", "result"), [("a" * 63, 1, "a" * 63), ("a" * 63, 12, "a" * 60 + "-12"), ("b", 2, "b-2")]
)
def test_numbered_names_stay_within_the_services_length(name: str, attempt: int, result: str) -> None:
    assert numbered(name, attempt, 63) == result
