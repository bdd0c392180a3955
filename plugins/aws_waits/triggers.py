"""The base of the triggers that wait in the triggerer.

The provider's waiter trigger reports errors as text, takes an unknown state for progress and never gives up while it is
throttled. These triggers poll themselves: they send what happened as data and they end at a deadline, a moment that is
serialized, so that a restart of the triggerer neither forgets the wait nor prolongs it.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from aws_waits.aws_errors import AWS_ERRORS, is_transient
from aws_waits.outcomes import Event, event_for_refusal, event_for_timeout

#: After so many failed polls in a row the pause between polls grows no further (8 times the usual one).
MAX_BACKOFF_DOUBLINGS = 3


class AwsPollingTrigger(BaseTrigger):
    """Polls until a subclass sees an end, the service refuses to be asked, or the deadline has passed.

    :param resource: What is waited for, for the log.
    :param started_at: When the wait began, in seconds since the epoch: the clock that all hosts share.
    :param deadline: When it ends at the latest, in seconds since the epoch.
    :param waiter_delay: The time in seconds between two polls.
    :param first_delay: If given, polls begin this many seconds apart and the pause doubles up to ``waiter_delay``.
    :param deferred_at: When the task deferred, in seconds since the epoch. (default: now)
    :param aws_conn_id: The Airflow connection used for AWS credentials.
    :param region_name: The AWS region of the resource.
    :param verify: Whether or not to verify SSL certificates, or the CA bundle to verify them with.
    :param botocore_config: Configuration dictionary (key-values) for the botocore client.
    """

    aws_hook_class: ClassVar[type[AwsGenericHook[Any]]]
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
        deferred_at: float | None = None,
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
        self.deferred_at = time.time() if deferred_at is None else deferred_at
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._failures = 0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and arguments of this trigger; only the connection's id is serialized."""
        wait = ("started_at", "deadline", "waiter_delay", "first_delay", "deferred_at")
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
        yet seen the worker's process end; Airflow 3.3 then takes the resumed task for a lost one and retries it. The
        first pause begins with the deferral: it takes the triggerer a second or two to start a trigger.
        """
        await self._pause(since=self.deferred_at)
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

    async def _pause(self, since: float | None = None) -> None:
        """Sleep for a pause that begins now, or has begun at ``since``."""
        # Spread, so that many waits that began together do not ask together for ever.
        spread = random.uniform(0.8, 1.2)
        now = time.time()
        delay = self._usual_pause() * spread * 2 ** min(self._failures, MAX_BACKOFF_DOUBLINGS)
        await asyncio.sleep(max(0.0, min((since or now) + delay, self.deadline) - now))

    def _usual_pause(self) -> float:
        """Return the current pause: the duration of the wait so far, so it doubles, also across a restart."""
        if self.first_delay is None:
            return self.waiter_delay
        return min(self.waiter_delay, max(self.first_delay, self.elapsed))

    @property
    def elapsed(self) -> float:
        """Return the seconds since the wait began, in any process."""
        return time.time() - self.started_at
