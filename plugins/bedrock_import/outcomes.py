"""Decide how the wait for an import ended; waiters/bedrock.json says what each state of a job means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from aws_waits import outcomes
from aws_waits.exceptions import AwsWaitError
from aws_waits.outcomes import Ending, Event, format_seconds
from bedrock_import.answers import read_answer
from bedrock_import.exceptions import (
    BedrockRequestRefusedError,
    EvaluationJobFailedError,
    EvaluationJobStateError,
    EvaluationJobTimeoutError,
    EvaluationJobTriggerError,
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

JOB_WAITER = "model_import_job_complete"
EVALUATION_WAITER = "evaluation_job_complete"
_JOB_FIELDS = {
    "jobArn": "job_arn",
    "jobName": "job_name",
    "importedModelName": "imported_model_name",
    "importedModelArn": "imported_model_arn",
    "status": "state",
    "failureMessage": "failure_message",
}

_REFUSED = Ending(BedrockRequestRefusedError, "Bedrock refused {operation} with {code}")
JOB_ENDINGS = {
    "failed": Ending(ModelImportJobFailedError, "The model import job failed"),
    "timeout": Ending(ModelImportJobTimeoutError, "The model import job had not ended after {elapsed}"),
    "unknown_state": Ending(ModelImportJobStateError, "The model import job is in the undocumented state {state!r}"),
    "refused": _REFUSED,
    "trigger_error": Ending(ModelImportJobTriggerError, "The wait for the model import job broke in the triggerer"),
}
EVALUATION_ENDINGS = {
    "failed": Ending(EvaluationJobFailedError, "The evaluation job did not complete ({state})"),
    "timeout": Ending(EvaluationJobTimeoutError, "The evaluation job had not ended after {elapsed}"),
    "unknown_state": Ending(EvaluationJobStateError, "The evaluation job is in the undocumented state {state!r}"),
    "refused": _REFUSED,
    "trigger_error": Ending(EvaluationJobTriggerError, "The wait for the evaluation job broke in the triggerer"),
}
CREATE_ENDINGS = {
    "timeout": Ending(ModelImportJobNotStartedError, "Bedrock accepted no model import job within {elapsed}"),
    "refused": _REFUSED,
    "trigger_error": JOB_ENDINGS["trigger_error"],
}
MODEL_ENDINGS = {
    "timeout": Ending(ImportedModelNotReadyError, "The imported model was not answering after {elapsed}"),
    "refused": _REFUSED,
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
def job_states() -> dict[str, str]:
    """Return the status of the event that ends the wait for a job, by the job's state; ``retry`` for none."""
    return outcomes.statuses(WAITER_PATH, JOB_WAITER)


def event_for_job(response: Mapping[str, Any]) -> Event | None:
    """Return the event that ends the wait for a job, or None while it runs."""
    status = job_states().get(str(response.get("status")), "unknown_state")
    return None if status == outcomes.RUNNING else {"status": status, "job": summarize_job(response)}


@cache
def evaluation_states() -> dict[str, str]:
    """Return the status of the event that ends the wait for an evaluation job, by the job's state."""
    return outcomes.statuses(WAITER_PATH, EVALUATION_WAITER)


def event_for_evaluation(response: Mapping[str, Any]) -> Event | None:
    """Return the event that ends the wait for an evaluation job, or None while it runs."""
    status = evaluation_states().get(str(response.get("status")), "unknown_state")
    if status == outcomes.RUNNING:
        return None
    messages = "; ".join(response.get("failureMessages", ())) or None
    job = {"job_arn": response.get("jobArn"), "job_name": response.get("jobName"), "state": response.get("status")}
    return {"status": status, "job": job | {"failure_message": messages}}


def job_result(event: Event) -> dict[str, Any]:
    """Return the XCom value of a successful wait for a job."""
    return {key: event["job"][key] for key in ("imported_model_arn", "imported_model_name", "job_arn", "seconds")}


def event_for_answer(seconds: float, payload: bytes) -> Event:
    """Return the event that ends the wait for a model, with its answer and the seconds since the wait began."""
    return {"status": "success", "seconds": round(seconds, 1), **read_answer(payload)}


def error_for_event(
    event: Event | None, endings: Mapping[str, Ending], resource: str, created_by: Iterable[str] = ()
) -> AwsWaitError:
    """Return the error that an unsuccessful event stands for.

    ``created_by`` are the ids of the tasks that created the job, as far as they are known.
    """
    error = outcomes.error_for_event(event, endings, resource, find_hint)
    error.console_url = console_url(str(error.resource))
    error.next_step = _start_again(created_by) if isinstance(error, ModelImportJobFailedError) else None
    return error


def _start_again(created_by: Iterable[str]) -> str:
    """A failed job stays failed, so clearing the task that waits for it only finds the failure again."""
    names = outcomes.creators(created_by)
    return (
        f"Correct the cause, then clear {names}: it starts another job. Clearing a task that only waits finds the same "
        "failed job again. If the model's files were wrong, trigger a new run."
    )


def progress(response: Mapping[str, Any], elapsed: float, usual_seconds: float | None) -> str:
    """Return a line for the log: which job, its state, how long we wait, how long such jobs usually take."""
    usual = f", usually {format_seconds(usual_seconds)}" if usual_seconds else ""
    return f"{response.get('jobName')}: {response.get('status')} after {format_seconds(elapsed)}{usual}"
