"""Decide how a wait ended, in one place for workers and triggers.

A wait ends with an event, a small JSON object with a ``status``. A sensor that pokes builds the same event that a
trigger sends, and the same function turns it into an error, so both modes end alike and no detail is lost on the way.
Which state of a job means what stands in waiters/bedrock.json, for botocore's waiter and for this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bedrock_import.answers import read_answer
from bedrock_import.aws_errors import AwsError, describe
from bedrock_import.exceptions import (
    BedrockModelImportError,
    BedrockRequestRefusedError,
    ImportedModelNotReadyError,
    ImportedModelTriggerError,
    ModelImportJobFailedError,
    ModelImportJobNotStartedError,
    ModelImportJobStateError,
    ModelImportJobTimeoutError,
    ModelImportJobTriggerError,
)
from bedrock_import.hints import find_hint
from bedrock_import.hooks import WAITER_PATH
from bedrock_import.links import console_url

Event = dict[str, Any]

JOB_WAITER = "model_import_job_complete"
_STATUS_FOR_ACCEPTOR = {"success": "success", "failure": "failed"}
_JOB_FIELDS = {
    "jobArn": "job_arn",
    "jobName": "job_name",
    "importedModelName": "imported_model_name",
    "importedModelArn": "imported_model_arn",
    "status": "state",
    "failureMessage": "failure_message",
}


@dataclass(frozen=True)
class Ending:
    """The error class for a status of an event, and its message."""

    error: type[BedrockModelImportError]
    what: str


JOB_ENDINGS = {
    "failed": Ending(ModelImportJobFailedError, "The model import job failed"),
    "timeout": Ending(ModelImportJobTimeoutError, "The model import job had not ended after {elapsed}"),
    "unknown_state": Ending(ModelImportJobStateError, "The model import job is in the undocumented state {state!r}"),
    "refused": Ending(BedrockRequestRefusedError, "Bedrock refused {operation} with {code}"),
    "trigger_error": Ending(ModelImportJobTriggerError, "The wait for the model import job broke in the triggerer"),
}
CREATE_ENDINGS = {
    "timeout": Ending(ModelImportJobNotStartedError, "Bedrock accepted no model import job within {elapsed}"),
    "refused": Ending(BedrockRequestRefusedError, "Bedrock refused {operation} with {code}"),
    "trigger_error": JOB_ENDINGS["trigger_error"],
}
MODEL_ENDINGS = {
    "timeout": Ending(ImportedModelNotReadyError, "The imported model was not answering after {elapsed}"),
    "refused": Ending(BedrockRequestRefusedError, "Bedrock refused {operation} with {code}"),
    "trigger_error": Ending(ImportedModelTriggerError, "The wait for the imported model broke in the triggerer"),
}


def summarize_job(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the needed fields of GetModelImportJob's response as JSON; ``seconds`` is the job's duration."""
    job = {ours: response.get(theirs) for theirs, ours in _JOB_FIELDS.items()}
    start = response.get("creationTime")
    end = response.get("endTime") or response.get("lastModifiedTime")
    job["seconds"] = round((end - start).total_seconds(), 1) if start and end else None
    return job


@cache
def _acceptors() -> dict[str | None, str]:
    waiters = json.loads(WAITER_PATH.read_text(encoding="utf-8"))["waiters"]
    return {acceptor["expected"]: acceptor["state"] for acceptor in waiters[JOB_WAITER]["acceptors"]}


def event_for_job(response: Mapping[str, Any]) -> Event | None:
    """Return the event that ends the wait for a job, or None while it runs."""
    acceptor = _acceptors().get(response.get("status"))
    if acceptor == "retry":
        return None
    return {"status": _STATUS_FOR_ACCEPTOR.get(str(acceptor), "unknown_state"), "job": summarize_job(response)}


def job_result(event: Event) -> dict[str, Any]:
    """Return the XCom value of a successful wait for a job."""
    return {key: event["job"][key] for key in ("imported_model_arn", "imported_model_name", "job_arn", "seconds")}


def event_for_answer(seconds: float, payload: bytes) -> Event:
    """Return the event that ends the wait for a model, with its answer and the seconds since the wait began."""
    return {"status": "success", "seconds": round(seconds, 1), **read_answer(payload)}


def event_for_refusal(error: AwsError) -> Event:
    """Return the event that ends a wait when the service refuses the request."""
    return {"status": "refused", "error": describe(error)}


def event_for_timeout(seconds: float, last_error: AwsError | None) -> Event:
    """Return the event that ends a wait at its deadline, with the error of the last request if that failed."""
    return {"status": "timeout", "seconds": round(seconds, 1), "error": last_error and describe(last_error)}


def error_for_event(
    event: Event | None, endings: Mapping[str, Ending], resource: str, created_by: Iterable[str] = ()
) -> BedrockModelImportError:
    """Return the error that an unsuccessful event stands for; an event of no known status is the triggerer's fault.

    ``created_by`` are the ids of the tasks that created the job, as far as they are known.
    """
    event = event or {}
    job, error = event.get("job") or {}, event.get("error") or {}
    ending = endings.get(str(event.get("status")), endings["trigger_error"])
    said = job.get("failure_message") or error.get("message")
    hint = find_hint(error.get("code"), said)
    arn = job.get("job_arn") or resource
    return ending.error(
        ending.what.format(**job, **error, elapsed=format_seconds(event.get("seconds", 0))),
        resource=arn,
        failure_message=said,
        hint=hint.advice if hint else None,
        see=hint.see if hint else None,
        console_url=console_url(arn),
        next_step=_start_again(created_by) if ending.error is ModelImportJobFailedError else None,
    )


def _start_again(created_by: Iterable[str]) -> str:
    """A failed job stays failed, so clearing the task that waits for it only finds the failure again."""
    names = " or ".join(sorted(created_by)) or "the task that created the job"
    return (
        f"Correct the cause, then clear {names}: it starts another job. Clearing a task that only waits finds the same "
        "failed job again. If the model's files were wrong, trigger a new run."
    )


def progress(response: Mapping[str, Any], elapsed: float, usual_seconds: float | None) -> str:
    """Return a line for the log: which job, its state, how long we wait, how long such jobs usually take."""
    usual = f", usually {format_seconds(usual_seconds)}" if usual_seconds else ""
    return f"{response.get('jobName')}: {response.get('status')} after {format_seconds(elapsed)}{usual}"


def format_seconds(seconds: float) -> str:
    """Return a duration as people read it, for instance ``12m05s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
