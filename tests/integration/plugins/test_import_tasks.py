"""The tasks of an import, through the provider's hooks and real clients, against the stand-in for AWS."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from bedrock_import.exceptions import (
    BedrockRequestRefusedError,
    ImportedModelNotReadyError,
    ModelImportJobFailedError,
    ModelImportJobNameTakenError,
    ModelImportJobTimeoutError,
)
from tests.integration.plugins.conftest import ACCOUNT, CONNECTION, Aws, create_role
from tests.support.task_run import FakeTaskInstance, first_event, rebuild, run_task

IN_BOTH_MODES = pytest.mark.parametrize(
    "deferrable", [pytest.param(False, marks=pytest.mark.slow), True], ids=["worker", "triggerer"]
)


@IN_BOTH_MODES
def test_a_checkpoint_becomes_a_model_that_answers(aws: Aws, deferrable: bool) -> None:
    name = aws.new_name()
    created = run_task(aws.create(name, deferrable=deferrable))
    imported = run_task(aws.wait(created["job_arn"], deferrable=deferrable))
    assert imported["imported_model_name"] == name
    assert imported["seconds"] >= 0.3
    warm = run_task(aws.warm_up(imported["imported_model_arn"], deferrable=deferrable))
    assert 0.4 <= warm["cold_start_seconds"] < 30
    assert isinstance(warm["answer"], str)
    assert (warm["body_format"], warm["converse"]) == ("OpenAICompletion", True)
    assert run_task(aws.warm_up(imported["imported_model_arn"]))["cold_start_seconds"] < 5


@IN_BOTH_MODES
def test_bedrocks_failure_message_reaches_the_task(aws: Aws, deferrable: bool) -> None:
    aws.script("fail-next-import", message="Amazon bedrock does not support the architecture (bert) of the model")
    created = run_task(aws.create(aws.new_name()))
    with pytest.raises(ModelImportJobFailedError, match=r"architecture \(bert\)") as caught:
        run_task(aws.wait(created["job_arn"], deferrable=deferrable))
    assert created["job_arn"] in str(caught.value)
    assert "model_type" in str(caught.value.hint)


@IN_BOTH_MODES
def test_a_stuck_job_ends_at_the_timeout(aws: Aws, deferrable: bool) -> None:
    aws.script("hold-imports")
    created = run_task(aws.create(aws.new_name()))
    with pytest.raises(ModelImportJobTimeoutError):
        run_task(aws.wait(created["job_arn"], deferrable=deferrable, timeout=0.5))
    aws.script("release-imports")
    run_task(aws.wait(created["job_arn"]))


@IN_BOTH_MODES
@pytest.mark.parametrize(
    "fault",
    [
        {"code": "ThrottlingException"},
        {"code": "InternalServerException"},
        {"connection": "drop_before"},
        {"connection": "drop_after"},
    ],
    ids=["throttled", "server error", "connection refused", "answer lost"],
)
def test_a_wait_outlives_faults_that_outlast_botocores_own_retries(
    aws: Aws, deferrable: bool, fault: dict[str, Any]
) -> None:
    created = run_task(aws.create(aws.new_name()))
    aws.script("fail-calls", calls=4, operation="GetModelImportJob", **fault)
    once = {"retries": {"total_max_attempts": 1}}
    assert run_task(aws.wait(created["job_arn"], deferrable=deferrable, botocore_config=once))["imported_model_arn"]


@IN_BOTH_MODES
def test_a_job_whose_answer_was_lost_is_not_created_twice(aws: Aws, deferrable: bool) -> None:
    name = aws.new_name()
    aws.script("fail-calls", operation="CreateModelImportJob", connection="drop_after")
    once = {"retries": {"total_max_attempts": 1}}
    created = run_task(aws.create(name, deferrable=deferrable, botocore_config=once))
    assert created["adopted"]
    assert aws.jobs(name) == [name]
    run_task(aws.wait(created["job_arn"]))


def test_two_runs_at_the_same_moment_share_one_job(aws: Aws) -> None:
    name = aws.new_name()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run_task(aws.create(name)), range(4)))
    assert len({result["job_arn"] for result in results}) == 1
    assert aws.jobs(name) == [name]
    run_task(aws.wait(name))


@IN_BOTH_MODES
def test_a_second_import_waits_until_the_region_has_room(aws: Aws, deferrable: bool) -> None:
    first = run_task(aws.create(aws.new_name()))
    second = run_task(aws.create(aws.new_name(), deferrable=deferrable))
    assert run_task(aws.wait(first["job_arn"]))["imported_model_arn"]
    assert run_task(aws.wait(second["job_arn"]))["imported_model_arn"]


def test_after_a_failure_the_next_attempt_is_a_new_job(aws: Aws) -> None:
    name = aws.new_name()
    aws.script("fail-next-import")
    first = run_task(aws.create(name))
    with pytest.raises(ModelImportJobFailedError):
        run_task(aws.wait(first["job_arn"]))
    second = run_task(aws.create(name, wait_for_completion=True))
    assert (second["job_name"], second["adopted"]) == (f"{name}-2", False)
    assert run_task(aws.create(name))["job_arn"] == second["job_arn"]


def test_a_model_that_somebody_deleted_is_imported_again(aws: Aws) -> None:
    name = aws.new_name()
    run_task(aws.create(name, wait_for_completion=True))
    aws.client("bedrock").delete_imported_model(modelIdentifier=name)
    again = run_task(aws.create(name, wait_for_completion=True, deferrable=True))
    assert (again["job_name"], again["adopted"]) == (f"{name}-2", False)


def test_a_name_of_other_content_is_not_overwritten(aws: Aws) -> None:
    name = aws.new_name()
    run_task(aws.create(name, wait_for_completion=True))
    other = [{"key": "fingerprint", "value": "other"}]
    with pytest.raises(ModelImportJobNameTakenError, match="expected other"):
        run_task(aws.create(name, import_job_kwargs={"jobTags": other, "importedModelTags": other}))


def test_a_role_that_is_not_there_yet_is_refused_and_accepted_at_the_next_try(aws: Aws) -> None:
    name = aws.new_name()
    task = aws.create(name, role_arn=f"arn:aws:iam::{ACCOUNT}:role/late")
    with pytest.raises(BedrockRequestRefusedError, match="start the import again"):
        run_task(task)
    create_role(aws, "late")
    run_task(aws.wait(run_task(task)["job_arn"]))
    assert aws.jobs(name) == [name]


@IN_BOTH_MODES
def test_waiting_for_a_job_that_is_not_there_fails_at_once(aws: Aws, deferrable: bool) -> None:
    with pytest.raises(BedrockRequestRefusedError, match="refused GetModelImportJob"):
        run_task(aws.wait("no-such-job", deferrable=deferrable))


@IN_BOTH_MODES
def test_a_model_that_stays_cold_ends_at_the_timeout(aws: Aws, deferrable: bool) -> None:
    imported = run_task(aws.create(aws.new_name(), wait_for_completion=True))
    aws.script("cold", seconds=60)
    with pytest.raises(ImportedModelNotReadyError):
        run_task(aws.warm_up(imported["imported_model_arn"], deferrable=deferrable, timeout=0.5))


@IN_BOTH_MODES
def test_an_endpoint_that_is_down_is_waited_for_until_the_timeout(
    aws: Aws, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_task(aws.create(name := aws.new_name(), wait_for_completion=True))
    connection = {"conn_type": "aws", "login": "x", "password": "y", "extra": {"endpoint_url": "http://127.0.0.1:9"}}
    up = json.dumps(connection | {"extra": {"endpoint_url": aws.endpoint_url}})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
    once = {"retries": {"total_max_attempts": 1}}
    sensor = aws.wait(name, deferrable=True, botocore_config=once, region_name="us-east-1", timeout=30)
    down = aws.wait(name, deferrable=deferrable, botocore_config=once, region_name="us-east-1", timeout=0.5)
    with pytest.raises(ModelImportJobTimeoutError, match="onnect"):
        run_task(down)

    async def back_after_a_while(trigger: Any) -> Any:
        event = asyncio.create_task(first_event(rebuild(trigger)))
        await asyncio.sleep(0.5)
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", up)
        return await event

    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({"ti": FakeTaskInstance()})
    assert asyncio.run(back_after_a_while(deferred.value.trigger))["status"] == "success"


def test_a_triggerer_that_was_killed_finds_the_job_ended(aws: Aws) -> None:
    aws.script("hold-imports")
    created = run_task(aws.create(aws.new_name()))
    with pytest.raises(TaskDeferred) as deferred:
        aws.wait(created["job_arn"], deferrable=True).execute({"ti": FakeTaskInstance()})

    async def killed(trigger: Any) -> None:
        await asyncio.wait_for(first_event(rebuild(trigger)), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(killed(deferred.value.trigger))
    aws.script("release-imports")
    run_task(aws.wait(created["job_arn"]))
    assert asyncio.run(first_event(rebuild(deferred.value.trigger)))["status"] == "success"
