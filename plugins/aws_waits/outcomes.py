"""Decide how a wait ended, in one place for workers and triggers.

A wait ends with an event, a small JSON object with a ``status``. A sensor that pokes builds the same event that a
trigger sends, and the same function turns it into an error, so both modes end alike and no detail is lost on the way.
Which state of a job means what stands in a plugin's waiter file, for botocore's waiter and for this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_waits.aws_errors import AwsError, describe
from aws_waits.exceptions import AwsWaitError
from aws_waits.hints import Hint

Event = dict[str, Any]
#: The status of a job that has not ended.
RUNNING = "running"
_STATUS_FOR_ACCEPTOR = {"success": "success", "failure": "failed", "retry": RUNNING}


@dataclass(frozen=True)
class Ending:
    """The error class for a status of an event, and its message."""

    error: type[AwsWaitError]
    what: str


def statuses(waiter_file: Path, waiter: str) -> dict[str, str]:
    """Return success, failed or RUNNING by the state of a job, from the acceptors of a waiter."""
    waiters = json.loads(waiter_file.read_text(encoding="utf-8"))["waiters"]
    return {acceptor["expected"]: _STATUS_FOR_ACCEPTOR[acceptor["state"]] for acceptor in waiters[waiter]["acceptors"]}


def event_for_refusal(error: AwsError) -> Event:
    """Return the event that ends a wait when the service refuses the request."""
    return {"status": "refused", "error": describe(error)}


def event_for_timeout(seconds: float, last_error: AwsError | None) -> Event:
    """Return the event that ends a wait at its deadline, with the error of the last request if that failed."""
    return {"status": "timeout", "seconds": round(seconds, 1), "error": last_error and describe(last_error)}


def error_for_event(
    event: Event | None,
    endings: Mapping[str, Ending],
    resource: str,
    find_hint: Callable[[str | None, str | None], Hint | None],
) -> AwsWaitError:
    """Return the error that an unsuccessful event stands for; an event of no known status is the triggerer's fault.

    The event's ``job`` may have ``job_arn``, ``failure_message`` and, of the message, ``failure_code``.
    """
    event = event or {}
    job, error = event.get("job") or {}, event.get("error") or {}
    ending = endings.get(str(event.get("status")), endings["trigger_error"])
    said = job.get("failure_message") or error.get("message")
    hint = find_hint(job.get("failure_code") or error.get("code"), said)
    return ending.error(
        ending.what.format(**job, **error, elapsed=format_seconds(event.get("seconds", 0))),
        resource=job.get("job_arn") or resource,
        failure_message=said,
        hint=hint.advice if hint else None,
        see=hint.see if hint else None,
    )


def creators(task_ids: Iterable[str]) -> str:
    """Return the tasks that created a job, as far as they are known, for a sentence about clearing them."""
    return " or ".join(sorted(task_ids)) or "the task that created the job"


def format_seconds(seconds: float) -> str:
    """Return a duration as people read it, for instance ``12m05s`` or ``37h00m``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 120:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
