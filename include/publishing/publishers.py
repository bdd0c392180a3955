"""What is notified of a new champion: EventBridge, and the team's own functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from include.aws.calls import request
from include.aws.clients import AwsClients
from include.config.publish import EVENT
from include.errors import ModelImportError
from include.publishing.errors import PublisherUnknownError
from include.publishing.pointer import Pointer
from include.team_functions import TeamFunctionError, load_function

EVENT_SOURCE = "model-import"
CHAMPION_CHANGED = "Champion changed"


class Publisher(Protocol):
    """Notifies another system of a champion.

    It may be called twice for one champion, when a task is retried, so it has to be repeatable.
    """

    def __call__(self, pointer: Pointer, clients: AwsClients) -> None:
        """Publish the champion; an exception fails the task, and the next attempt calls every publisher again."""
        ...


class EventNotSentError(ModelImportError):
    """EventBridge did not take the event."""

    def __init__(self, detail_type: str, code: str, message: str) -> None:
        super().__init__(
            "EventBridge refused an event", detail_type, found=f"{code}: {message}", remedy="Clear the task."
        )


def send_event(pointer: Pointer, clients: AwsClients) -> None:
    """Send the event "Champion changed" with the pointer as its detail.

    Raises:
        EventNotSentError: the bus refused it.
    """
    entry = {
        "Source": EVENT_SOURCE,
        "DetailType": CHAMPION_CHANGED,
        "Detail": pointer.model_dump_json(exclude_none=True),
        "Resources": [pointer.imported_model_arn],
    }
    answer = request(clients.events, "put_events", Entries=[entry])
    if answer.get("FailedEntryCount"):
        failed = answer["Entries"][0]
        raise EventNotSentError(CHAMPION_CHANGED, failed.get("ErrorCode", ""), failed.get("ErrorMessage", ""))


def load_publishers(names: Iterable[str]) -> tuple[Publisher, ...]:
    """Return the publishers of a model's file.

    Raises:
        PublisherUnknownError: a module cannot be imported, or has no such function.
    """
    return tuple(send_event if name == EVENT else _function(name) for name in names)


def _function(name: str) -> Publisher:
    try:
        return load_function(name)
    except TeamFunctionError as error:
        raise PublisherUnknownError(name, error.found) from error
