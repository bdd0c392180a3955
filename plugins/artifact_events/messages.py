"""Parse messages of the queue: written objects, and training jobs that changed their state.

S3 sends its notifications to the queue itself, through an SNS topic or by EventBridge, SageMaker by EventBridge.
Formats:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

#: The longest message that SQS delivers, in characters; nothing longer is read.
MAX_MESSAGE_LENGTH = 2**20
_SHOWN = 300


class UnreadableMessageError(ValueError):
    """The message is not a notification of S3 or SageMaker."""

    def __init__(self, reason: str, body: str) -> None:
        super().__init__(reason, body)
        self.reason, self.body = reason, body

    def __str__(self) -> str:
        return f"{self.reason}; the message begins with {self.body[:_SHOWN]!r}"


class ObjectWritten(NamedTuple):
    """An object of S3 was created or overwritten."""

    bucket: str
    key: str


class TrainingJobChanged(NamedTuple):
    """A SageMaker training job changed its state; ``ended_at`` is None while it runs."""

    name: str
    status: str
    ended_at: datetime | None


Notice = ObjectWritten | TrainingJobChanged


def read_message(body: str) -> tuple[Notice, ...]:
    """Return the events in a message; none for S3's test message and for other notifications.

    Raises:
        UnreadableMessageError: it is not a notification of S3 or SageMaker, or it lacks a required field.
    """
    if len(body) > MAX_MESSAGE_LENGTH:
        raise UnreadableMessageError(f"{len(body)} characters", body)
    try:
        return tuple(_notices(json.loads(body)))
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError(f"not JSON: {error}", body) from None
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UnreadableMessageError(f"not a notification of S3 or SageMaker: {error!r}", body) from None


def _notices(message: Mapping[str, Any]) -> Iterator[Notice]:
    if message.get("Type") == "Notification":  # a topic of SNS is in between
        message = json.loads(message["Message"])
    if message.get("Event") == "s3:TestEvent":
        return
    if "Records" in message:
        for record in message["Records"]:
            yield from _s3_record(record)
        return
    read = _DETAILS[message["source"]]
    yield from read(message["detail-type"], message["detail"])


def _s3_record(record: Mapping[str, Any]) -> Iterator[Notice]:
    written = record["s3"]
    if record["eventName"].startswith("ObjectCreated:"):
        yield ObjectWritten(_text(written["bucket"]["name"]), unquote_plus(_text(written["object"]["key"])))


def _s3_detail(detail_type: str, detail: Mapping[str, Any]) -> Iterator[Notice]:
    if detail_type == "Object Created":  # here the key is not URL-encoded
        yield ObjectWritten(_text(detail["bucket"]["name"]), _text(detail["object"]["key"]))


def _training_job_detail(detail_type: str, detail: Mapping[str, Any]) -> Iterator[Notice]:
    if detail_type == "SageMaker Training Job State Change":
        ended = detail.get("TrainingEndTime")  # milliseconds since the epoch
        at = datetime.fromtimestamp(ended / 1000, UTC) if ended else None
        yield TrainingJobChanged(_text(detail["TrainingJobName"]), _text(detail["TrainingJobStatus"]), at)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {value!r}")
    return value


_DETAILS = {"aws.s3": _s3_detail, "aws.sagemaker": _training_job_detail}
