from __future__ import annotations

import asyncio
import time
from typing import Any
from unittest.mock import AsyncMock

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from bedrock_import.sensors import BedrockModelImportJobCompletedSensor
from bedrock_import.triggers import BedrockModelImportJobCompletedTrigger
from tests.support.fake_bedrock import FakeBedrock
from tests.support.task_run import FakeTaskInstance, rebuild

JOB_ARN = "arn:aws:bedrock:us-east-1:123456789012:model-import-job/abcdefghijkl"


def _trigger(waited: float, **delays: float) -> BedrockModelImportJobCompletedTrigger:
    now = time.time()
    return BedrockModelImportJobCompletedTrigger(
        job_identifier=JOB_ARN, started_at=now - waited, deadline=now + 3600, **delays
    )


@pytest.mark.parametrize(("waited", "pause"), [(0, 2), (2, 2), (16, 16), (59, 59), (300, 60)])
def test_polls_come_soon_at_first_and_then_as_far_apart_as_the_wait_has_lasted(waited: float, pause: float) -> None:
    trigger = _trigger(waited, waiter_delay=60, first_delay=2)
    assert trigger._usual_pause() == pytest.approx(pause, abs=0.5)


@pytest.mark.parametrize(("started_after", "slept"), [(0, 3), (1.5, 1.5), (10, 0)])
def test_the_first_pause_begins_with_the_deferral_however_late_the_triggerer_starts_the_trigger(
    started_after: float, slept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = AsyncMock()
    monkeypatch.setattr("aws_waits.triggers.random.uniform", lambda low, high: 1)
    monkeypatch.setattr("aws_waits.triggers.asyncio.sleep", sleep)
    trigger = _trigger(0, waiter_delay=60, first_delay=3, deferred_at=time.time() - started_after)
    asyncio.run(rebuild(trigger)._pause(since=trigger.deferred_at))
    assert sleep.await_args.args[0] == pytest.approx(slept, abs=0.1)


def test_without_a_first_delay_polls_come_evenly() -> None:
    assert _trigger(300, waiter_delay=30)._usual_pause() == 30


@pytest.mark.parametrize(
    ("arguments", "first", "longest"),
    [
        ({"poke_interval": 20}, None, 20),
        ({"poke_interval": 2, "exponential_backoff": True, "max_wait": 60}, 2, 60),
        ({"poke_interval": 2, "exponential_backoff": True, "timeout": 100}, 2, 100),
    ],
)
def test_the_sensors_backoff_reaches_the_triggerer(
    arguments: dict[str, Any],
    first: float | None,
    longest: float,
    bedrock: FakeBedrock,
    task_instance: FakeTaskInstance,
) -> None:
    job = bedrock.add_job("capitals-1", "InProgress")["jobArn"]
    sensor = BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier=job, deferrable=True, **arguments)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({"ti": task_instance})
    assert (deferred.value.trigger.first_delay, deferred.value.trigger.waiter_delay) == (first, longest)


def test_a_job_that_is_over_already_costs_no_deferral(bedrock: FakeBedrock, task_instance: FakeTaskInstance) -> None:
    job = bedrock.add_job("capitals-1", "Completed")["jobArn"]
    sensor = BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier=job, deferrable=True)
    assert sensor.execute({"ti": task_instance})["job_arn"] == job
