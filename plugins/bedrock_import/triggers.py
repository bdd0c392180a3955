"""Triggers that wait for an import in the triggerer.

The provider's waiter trigger reports errors as text, takes an unknown state for progress and never gives up while it is
throttled. These triggers poll themselves: they send what happened as data and they end at a deadline, a moment that is
serialized, so that a restart of the triggerer neither forgets the wait nor prolongs it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import ClientError

from bedrock_import.aws_errors import AWS_ERRORS, MODEL_NOT_READY, error_code, is_transient
from bedrock_import.hooks import BedrockModelImportHook, BedrockModelRuntimeHook
from bedrock_import.outcomes import (
    Event,
    event_for_answer,
    event_for_job,
    event_for_refusal,
    event_for_timeout,
    format_seconds,
    progress,
)

#: After so many failed polls in a row the pause between polls grows no further (8 times the usual one).
MAX_BACKOFF_DOUBLINGS = 3


class BedrockPollingTrigger(BaseTrigger):
    """Polls until a subclass sees an end, the service refuses to be asked, or the deadline has passed.

    :param resource: What is waited for, for the log.
    :param started_at: When the wait began, in seconds since the epoch: the clock that all hosts share.
    :param deadline: When it ends at the latest, in seconds since the epoch.
    :param waiter_delay: The time in seconds between two polls.
    :param first_delay: If given, polls begin this many seconds apart and the pause doubles up to ``waiter_delay``.
    :param aws_conn_id: The Airflow connection used for AWS credentials.
    :param region_name: The AWS region of the job or model.
    :param verify: Whether or not to verify SSL certificates, or the CA bundle to verify them with.
    :param botocore_config: Configuration dictionary (key-values) for the botocore client.
    """

    aws_hook_class: ClassVar[type[AwsGenericHook[Any]]] = BedrockModelImportHook
    #: Fields of the subclass that are serialized in addition to the common ones.
    own_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        resource: str,
        started_at: float,
        deadline: float,
        waiter_delay: float = 30,
        first_delay: float | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.resource = resource
        self.started_at = started_at
        self.deadline = deadline
        self.waiter_delay = waiter_delay
        self.first_delay = first_delay
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._failures = 0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and arguments of this trigger; only the connection's id is serialized."""
        wait = ("started_at", "deadline", "waiter_delay", "first_delay")
        aws = ("aws_conn_id", "region_name", "verify", "botocore_config")
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in (*self.own_fields, *wait, *aws)}

    def hook(self) -> AwsGenericHook[Any]:
        """Return the hook that this trigger polls with."""
        return self.aws_hook_class(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

    @abstractmethod
    async def poll(self, client: Any) -> Event | None:
        """Ask once. Return the event that ends the wait, or None to go on."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Pause, then poll until the end and yield the one event.

        The task has just asked. And an event that follows the deferral within seconds can meet a scheduler that has not
        yet seen the worker's process end; Airflow 3.3 then takes the resumed task for a lost one and retries it.
        """
        await self._pause()
        yield TriggerEvent(await self._wait())

    async def _wait(self) -> Event:
        while True:
            try:
                return await self._poll_to_the_end()
            except AWS_ERRORS as error:
                if not is_transient(error):
                    return event_for_refusal(error)
                if time.time() >= self.deadline:
                    return event_for_timeout(self.elapsed, error)
                self._failures += 1
                self.log.warning("No answer about %s, still waiting: %s", self.resource, error)
            await self._pause()

    async def _poll_to_the_end(self) -> Event:
        """Poll with one client. After an error there is a new one, which reads credentials afresh."""
        async with await self.hook().get_async_conn() as client:
            while True:
                event = await self.poll(client)
                self._failures = 0
                if event:
                    return event
                if time.time() >= self.deadline:
                    return event_for_timeout(self.elapsed, None)
                await self._pause()

    async def _pause(self) -> None:
        # Spread, so that many waits that began together do not ask together for ever.
        spread = random.uniform(0.8, 1.2)
        delay = self._usual_pause() * spread * 2 ** min(self._failures, MAX_BACKOFF_DOUBLINGS)
        await asyncio.sleep(min(delay, max(0.0, self.deadline - time.time())))

    def _usual_pause(self) -> float:
        """Return the current pause: the duration of the wait so far, so it doubles, also across a restart."""
        if self.first_delay is None:
            return self.waiter_delay
        return min(self.waiter_delay, max(self.first_delay, self.elapsed))

    @property
    def elapsed(self) -> float:
        """Return the seconds since the wait began, in any process."""
        return time.time() - self.started_at


class BedrockModelImportJobCompletedTrigger(BedrockPollingTrigger):
    """
    Trigger when a Bedrock model import job has completed or failed.

    :param job_identifier: The name or ARN of the job.
    :param usual_seconds: How long such a job usually takes, for the log.
    """

    own_fields = ("job_identifier", "usual_seconds")

    def __init__(self, *, job_identifier: str, usual_seconds: float | None = None, **kwargs: Any) -> None:
        super().__init__(resource=job_identifier, **kwargs)
        self.job_identifier = job_identifier
        self.usual_seconds = usual_seconds

    async def poll(self, client: Any) -> Event | None:
        """Return the event for the job's state, or None while it runs."""
        response = await client.get_model_import_job(jobIdentifier=self.job_identifier)
        self.log.info("%s", progress(response, self.elapsed, self.usual_seconds))
        return event_for_job(response)


class BedrockModelImportSlotTrigger(BedrockPollingTrigger):
    """Trigger when no model import job runs in the region."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(resource="running import jobs", **kwargs)

    async def poll(self, client: Any) -> Event | None:
        """Return an event when nothing runs."""
        response = await client.list_model_import_jobs(statusEquals="InProgress", maxResults=1)
        running = [job["jobName"] for job in response.get("modelImportJobSummaries", [])]
        self.log.info("Running import jobs: %s", running or "none")
        return None if running else {"status": "success"}


class BedrockImportedModelReadyTrigger(BedrockPollingTrigger):
    """
    Trigger when an imported model answers.

    :param imported_model_arn: The ARN of the imported model.
    :param body: The request to send, as small as the model allows.
    """

    aws_hook_class = BedrockModelRuntimeHook
    own_fields = ("imported_model_arn", "body")

    def __init__(self, *, imported_model_arn: str, body: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(resource=imported_model_arn, **kwargs)
        self.imported_model_arn = imported_model_arn
        self.body = body

    async def poll(self, client: Any) -> Event | None:
        """Return an event when the model answers, None while it says that it is not ready."""
        try:
            response = await client.invoke_model(modelId=self.imported_model_arn, body=json.dumps(self.body))
        except ClientError as error:
            if error_code(error) != MODEL_NOT_READY:
                raise
            self.log.info("%s is not ready after %s", self.imported_model_arn, format_seconds(self.elapsed))
            return None
        return event_for_answer(self.elapsed, await response["body"].read())
