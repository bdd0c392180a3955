from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from bedrock_import import triggers
from bedrock_import.operators import BedrockCreateModelImportJobOperator
from bedrock_import.sensors import BedrockImportedModelReadySensor, BedrockModelImportJobCompletedSensor
from tests.support.fake_bedrock import FakeBedrock, aws_error
from tests.support.task_run import first_event, rebuild

AWS = {
    "aws_conn_id": "aws_other",
    "region_name": "eu-central-1",
    "verify": "/etc/ssl/company.pem",
    "botocore_config": {"connect_timeout": 3},
}
WAIT = {"started_at": 1_000.0, "deadline": 2_000.0, "waiter_delay": 7}
TRIGGERS = [
    triggers.BedrockModelImportJobCompletedTrigger(job_identifier="capitals-1", usual_seconds=900.0, **WAIT, **AWS),
    triggers.BedrockEvaluationJobCompletedTrigger(job_arn="arn", **WAIT, **AWS),
    triggers.BedrockModelImportSlotTrigger(**WAIT, **AWS),
    triggers.BedrockImportedModelReadyTrigger(imported_model_arn="arn", body={"prompt": "Hello"}, **WAIT, **AWS),
]
EVERY_TRIGGER = pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: type(trigger).__name__)


def job_trigger(seconds: float, **kwargs: Any) -> triggers.BedrockModelImportJobCompletedTrigger:
    now = time.time()
    arguments = {"started_at": now, "deadline": now + seconds, "waiter_delay": 0.01} | kwargs
    return triggers.BedrockModelImportJobCompletedTrigger(job_identifier="capitals-1", **arguments)


def test_every_trigger_of_the_package_is_tested_here() -> None:
    public = {
        name
        for name, value in vars(triggers).items()
        if isinstance(value, type) and issubclass(value, BaseTrigger) and name.endswith("Trigger")
    }
    assert public == {type(trigger).__name__ for trigger in TRIGGERS} | {"AwsPollingTrigger"}


@EVERY_TRIGGER
def test_a_trigger_survives_the_database(trigger: BaseTrigger) -> None:
    again = rebuild(trigger)
    assert type(again) is type(trigger)
    assert again.serialize() == trigger.serialize()


@EVERY_TRIGGER
def test_a_trigger_polls_with_the_arguments_of_its_task(trigger: Any) -> None:
    hook = rebuild(trigger).hook()
    assert (hook.aws_conn_id, hook._region_name, hook._verify) == ("aws_other", "eu-central-1", "/etc/ssl/company.pem")
    assert hook._config.connect_timeout == 3


@EVERY_TRIGGER
def test_a_serialized_trigger_names_the_connection_and_holds_no_secret(
    trigger: BaseTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "aws", "login": "AKIASECRET", "password": "hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_OTHER", json.dumps(connection))
    text = json.dumps(trigger.serialize())
    assert "aws_other" in text
    assert "AKIASECRET" not in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "sensor",
    [
        BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier="capitals-1", **AWS),
        BedrockImportedModelReadySensor(task_id="warm_up", imported_model_arn="arn", **AWS),
    ],
    ids=["job", "model"],
)
def test_a_sensor_hands_all_its_aws_arguments_to_its_trigger(sensor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: dict[str, Any] = {}
    monkeypatch.setattr(sensor, "defer", lambda trigger, method_name: handed.update(trigger.serialize()[1]))
    sensor._defer()
    assert {name: handed[name] for name in AWS} == {name: getattr(sensor, name) for name in AWS}
    assert handed["region_name"] == "eu-central-1"
    assert handed["botocore_config"]["connect_timeout"] == 3


def test_an_operator_hands_all_its_aws_arguments_to_its_triggers() -> None:
    operator = BedrockCreateModelImportJobOperator(
        task_id="create", job_name="j", imported_model_name="m", role_arn="r", s3_uri="s3://b/p/", **AWS
    )
    arguments = operator.wait_arguments(1.0)
    assert {name: arguments[name] for name in AWS} == AWS


def test_a_restarted_triggerer_goes_on_and_does_not_prolong_the_wait(bedrock: FakeBedrock) -> None:
    bedrock.add_job("capitals-1", "InProgress")
    trigger = job_trigger(2.5)

    async def killed_and_restarted() -> tuple[Any, float]:
        first = asyncio.create_task(first_event(rebuild(trigger)))
        await asyncio.sleep(2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await first_event(rebuild(trigger)), time.time()

    event, ended_at = asyncio.run(killed_and_restarted())
    assert event["status"] == "timeout"
    assert event["seconds"] >= 2.5
    assert ended_at - trigger.deadline < 1.9  # 2 s, were the wait begun anew


def test_a_job_that_ended_while_no_triggerer_ran_is_a_success_even_after_the_deadline(bedrock: FakeBedrock) -> None:
    bedrock.add_job("capitals-1", "Completed")
    event = asyncio.run(first_event(job_trigger(-3600)))
    assert event["status"] == "success"


def test_an_event_carries_the_failure_message_as_data(bedrock: FakeBedrock) -> None:
    job = bedrock.add_job("capitals-1", "Failed")
    event = asyncio.run(first_event(job_trigger(5)))
    assert event["status"] == "failed"
    assert event["job"]["failure_message"] == job["failureMessage"]
    assert event["job"]["job_arn"] == job["jobArn"]


def test_failed_polls_in_a_row_are_made_ever_more_rarely(bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def no_sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("aws_waits.triggers.asyncio.sleep", no_sleep)
    bedrock.add_job("capitals-1", "Completed")
    bedrock.faults["get_model_import_job"] = [aws_error("ThrottlingException")] * 6
    asyncio.run(first_event(job_trigger(3600, waiter_delay=10)))
    expected = [10, 20, 40, 80, 80, 80, 80]
    assert all(0.8 * usual <= pause <= 1.2 * usual for pause, usual in zip(pauses, expected, strict=True))


def test_an_answer_brings_the_usual_pause_back(bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def no_sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("aws_waits.triggers.asyncio.sleep", no_sleep)
    bedrock.add_job("capitals-1", "InProgress")
    bedrock.upcoming_states = ["InProgress", "InProgress", "InProgress", "Completed"]
    bedrock.faults["get_model_import_job"] = [aws_error("ThrottlingException")] * 2
    asyncio.run(first_event(job_trigger(3600, waiter_delay=10)))
    assert [round(pause, -1) for pause in pauses[-1:]] == [10]
    assert len(pauses) == 4


def test_a_trigger_does_not_ask_at_once_since_its_task_has_just_asked(bedrock: FakeBedrock) -> None:
    now = time.time()
    trigger = triggers.BedrockModelImportSlotTrigger(started_at=now, deadline=now + 5, waiter_delay=0.2)
    asyncio.run(first_event(trigger))
    assert time.time() - now > 0.15
