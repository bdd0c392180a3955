"""A task that runs as Airflow runs one: in a worker, and as often as it defers in a triggerer."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.module_loading import import_string

from tests.support.airflow_versions import deserialize, serialize


class FakeTaskInstance:
    """Keeps XComs; the rest of a task instance is not needed by an operator."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.first_reschedule_date: datetime | None = None

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first_reschedule_date


def rebuild(trigger: Any) -> Any:
    """Return the trigger as a triggerer makes it from what the database holds."""
    path, kwargs = trigger.serialize()
    return import_string(path)(**deserialize(json.loads(json.dumps(serialize(kwargs)))))


async def first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return json.loads(json.dumps(event.payload))
    return None


def run_task(operator: Any, task_instance: FakeTaskInstance | None = None) -> Any:
    """Run an operator to its end: in the worker, and as often as it defers in a triggerer."""
    context = {"ti": task_instance or FakeTaskInstance()}
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        wait = deferred
    while True:
        event = asyncio.run(first_event(rebuild(wait.trigger)))
        kwargs = json.loads(json.dumps(wait.kwargs or {})) | {"event": event}
        try:
            return operator.resume_execution(wait.method_name, kwargs, context)
        except TaskDeferred as deferred:
            wait = deferred
