"""One reader of the queue for all triggers of a triggerer that watch it.

A message is deleted only when the asset events made of it are in Airflow's database (Airflow's shared stream in ack
mode), so neither a restart of the triggerer nor its death loses one; it is delivered again instead. The provider's
SqsSensorTrigger deletes first and loses what a crash interrupts.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from artifact_events.landings import Landing, Message, Settling
from artifact_events.messages import UnreadableMessageError, read_message

log = logging.getLogger(__name__)

#: A parser's error means that a gateway answered in the service's place.
AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)

BATCH = 10
LONG_POLL, SHORT_POLL = 10, 1
#: In addition to the time to settle: how long a message may be held before SQS delivers it again, in seconds.
HOLD_SECONDS, VISIBLE_AFTER = 60, 180
PAUSE_AFTER_ERROR = 30.0
#: A message that comes more often is deleted when there is no dead-letter queue to take it.
MAX_RECEIVES = 5


class QueueProducer(SharedStreamProducer):
    """Read an SQS queue, yield landings once they have settled, and delete handled messages."""

    def __init__(self, queue_url: str, aws_conn_id: str | None, region_name: str | None, settle_seconds: float) -> None:
        self._queue_url = queue_url
        self._hook = SqsHook(aws_conn_id=aws_conn_id, region_name=region_name)
        self._settling = Settling(settle_seconds, settle_seconds + HOLD_SECONDS)
        self._visibility = round(settle_seconds) + VISIBLE_AFTER
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._moves_aside = False

    async def open_stream(self) -> AsyncIterator[tuple[Landing, Landing]]:
        """Yield each landing, as the event and as the cursor for ``advance``. AWS errors do not end the stream."""
        while True:
            try:
                await self._receive()
            except AWS_ERRORS as error:
                log.error("The queue %s cannot be read, trying again: %s", self._queue_url, error)
                await self._disconnect()
                await asyncio.sleep(PAUSE_AFTER_ERROR)
            for landing in self._settling.settled():
                log.info("Landed: %s, announced by %d messages", landing.describe(), len(landing.messages))
                yield landing, landing

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Delete the messages of the landings that every trigger has handled."""
        done: list[Message] = []
        for item in batch:
            landing: Landing = item.broker_payload
            if item.outcome.failed or not landing.dealt_with:
                why = "no model here watches this place" if not landing.claimed else "a trigger failed or was stopped"
                log.warning("Left in the queue, for %s: %s", why, landing.describe())
                continue
            for message in landing.messages:
                message.landings_left -= 1
                if not message.landings_left:
                    done.append(message)
        await self._delete(done)

    async def aclose(self) -> None:
        """Close the connection; messages that are still held will be delivered again."""
        await self._disconnect()

    async def _connect(self) -> Any:
        if self._client is None:
            self._client = await self._stack.enter_async_context(await self._hook.get_async_conn())
            answer = await self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["RedrivePolicy"])
            self._moves_aside = bool(json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}")))
        return self._client

    async def _disconnect(self) -> None:
        """Drop the client; the next one reads credentials again."""
        self._client = None
        await self._stack.aclose()

    async def _receive(self) -> None:
        client = await self._connect()
        answer = await client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=SHORT_POLL if self._settling else LONG_POLL,
            VisibilityTimeout=self._visibility,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        for message in answer.get("Messages", []):
            received = int(message["Attributes"]["ApproximateReceiveCount"])
            await self._take(message["Body"], received, Message(message["ReceiptHandle"]))

    async def _take(self, body: str, received: int, message: Message) -> None:
        try:
            notices = read_message(body)
            if received > MAX_RECEIVES and not self._moves_aside:
                raise UnreadableMessageError(f"it was not handled in {MAX_RECEIVES} deliveries", body)
        except UnreadableMessageError as error:
            await self._put_aside(message, error)
            return
        if notices:
            self._settling.add(notices, message)
        else:
            await self._delete([message])

    async def _put_aside(self, message: Message, error: UnreadableMessageError) -> None:
        """Let SQS move a message to the dead-letter queue; delete it if there is no such queue."""
        if not self._moves_aside:
            log.error("Deleted an message (the queue has no dead-letter queue): %s", error)
            await self._delete([message])
            return
        log.error("A message goes to the dead-letter queue: %s", error)
        client = await self._connect()
        await client.change_message_visibility(
            QueueUrl=self._queue_url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=0
        )

    async def _delete(self, messages: list[Message]) -> None:
        """Delete messages; a message that cannot be deleted is delivered again, which does no harm."""
        for start in range(0, len(messages), BATCH):
            group = messages[start : start + BATCH]
            entries = [{"Id": str(n), "ReceiptHandle": message.receipt_handle} for n, message in enumerate(group)]
            try:
                client = await self._connect()
                answer = await client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
            except AWS_ERRORS as error:
                log.warning("%d messages were dealt with and could not be deleted: %s", len(entries), error)
                continue
            if failed := answer.get("Failed"):
                log.warning("Messages were dealt with and could not be deleted: %s", failed)
