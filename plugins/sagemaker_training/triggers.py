"""Triggers that wait for a training job in the triggerer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import TriggerEvent

from aws_waits.outcomes import Event
from aws_waits.triggers import AwsPollingTrigger
from sagemaker_training.hooks import SageMakerTrainingHook
from sagemaker_training.outcomes import event_for_job, event_for_start, progress


class SageMakerTrainingRoomTrigger(AwsPollingTrigger):
    """Trigger after a pause: whether there is room for a job shows only in the answer to the request for one."""

    aws_hook_class = SageMakerTrainingHook

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(resource="room for a training job", **kwargs)

    async def poll(self, client: Any) -> Event | None:
        """Return an event at once."""
        return {"status": "success"}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Pause, and yield the one event without a request."""
        await self._pause()
        yield TriggerEvent({"status": "success"})


class SageMakerTrainingJobTrigger(AwsPollingTrigger):
    """
    Base of the triggers that look at a training job.

    :param job_name: The name of the job.
    :param dollars_per_hour: What the job's instances cost on demand in an hour, for the log.
    :param stop_on_kill: Whether the job is stopped when a person ends or clears the waiting task.
    """

    aws_hook_class = SageMakerTrainingHook
    own_fields = ("job_name", "dollars_per_hour", "stop_on_kill")

    def __init__(
        self, *, job_name: str, dollars_per_hour: float | None = None, stop_on_kill: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(resource=job_name, **kwargs)
        self.job_name = job_name
        self.dollars_per_hour = dollars_per_hour
        self.stop_on_kill = stop_on_kill

    async def poll(self, client: Any) -> Event | None:
        """Return the event for the job's state, or None to go on."""
        response = await client.describe_training_job(TrainingJobName=self.job_name)
        self.log.info("%s", progress(response, self.elapsed, self.dollars_per_hour))
        return self.judge(response)

    def judge(self, response: dict[str, Any]) -> Event | None:
        """Return the event for DescribeTrainingJob's answer."""
        return event_for_job(response)

    async def on_kill(self) -> None:
        """Stop the job if asked to; Airflow calls this when a person ends or clears the task, not at a restart."""
        if not self.stop_on_kill:
            self.log.warning("Training job %s continues to run; StopTrainingJob would end it.", self.job_name)
            return
        async with await self.hook().get_async_conn() as client:
            await client.stop_training_job(TrainingJobName=self.job_name)
        self.log.warning("Stopping training job %s: the task was ended.", self.job_name)


class SageMakerTrainingJobCompletedTrigger(SageMakerTrainingJobTrigger):
    """Trigger when a training job has completed, failed or stopped; takes the arguments of the base."""


class SageMakerTrainingJobStartedTrigger(SageMakerTrainingJobTrigger):
    """Trigger when a training job has its instances, or has ended without; takes the arguments of the base."""

    def judge(self, response: dict[str, Any]) -> Event | None:
        """Return the event for DescribeTrainingJob's answer."""
        return event_for_start(response)
