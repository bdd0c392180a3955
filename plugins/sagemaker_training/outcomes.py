"""Decide how the wait for a training job ended; waiters/sagemaker.json says what each state of a job means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_waits import outcomes
from aws_waits.exceptions import AwsWaitError
from aws_waits.outcomes import Ending, Event, format_seconds
from sagemaker_training.error_codes import NO_CAPACITY
from sagemaker_training.exceptions import (
    SageMakerRequestRefusedError,
    TrainingJobFailedError,
    TrainingJobNotStartedError,
    TrainingJobStateError,
    TrainingJobStoppedError,
    TrainingJobTimeoutError,
    TrainingJobTriggerError,
)
from sagemaker_training.hints import find_hint
from sagemaker_training.hooks import WAITER_PATH
from sagemaker_training.links import console_url

JOB_WAITER, PLACED_WAITER = "training_job_complete", "training_job_placed"
_STOPPED = "Stopped"
#: A FailureReason begins with the class of the error, which SageMaker documents, and a colon.
_FAILURE_CODE = re.compile(r"([A-Za-z]+):")
_REFUSED = Ending(SageMakerRequestRefusedError, "SageMaker refused {operation} with {code}")
_TRIGGER = Ending(TrainingJobTriggerError, "The wait for the training job broke in the triggerer")
_FAILED = {
    "failed": Ending(TrainingJobFailedError, "The training job failed"),
    "stopped": Ending(TrainingJobStoppedError, "The training job was stopped before its end ({secondary})"),
    "unknown_state": Ending(TrainingJobStateError, "The training job is in the undocumented state {state!r}"),
    "refused": _REFUSED,
    "trigger_error": _TRIGGER,
}
JOB_ENDINGS = _FAILED | {"timeout": Ending(TrainingJobTimeoutError, "The training job had not ended after {elapsed}")}
START_ENDINGS = _FAILED | {"timeout": Ending(TrainingJobNotStartedError, "No training job had begun within {elapsed}")}


@cache
def _statuses(waiter: str) -> dict[str, str]:
    return outcomes.statuses(WAITER_PATH, waiter)


def summarize_job(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the needed fields of DescribeTrainingJob's response as JSON."""
    said = response.get("FailureReason")
    code = _FAILURE_CODE.match(said or "")
    ended = response.get("TrainingEndTime") or response.get("LastModifiedTime")
    stopped = response.get("TrainingJobStatus") == _STOPPED
    return {
        "job_arn": response.get("TrainingJobArn"),
        "job_name": response.get("TrainingJobName"),
        "state": response.get("TrainingJobStatus"),
        "secondary": response.get("SecondaryStatus"),
        "failure_message": said,
        "failure_code": code[1] if code else response.get("SecondaryStatus") if stopped else None,
        "artifact_uri": response.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        "ended_at": ended.astimezone(UTC).isoformat() if ended else None,
        "training_seconds": response.get("TrainingTimeInSeconds"),
        "billable_seconds": response.get("BillableTimeInSeconds"),
        "metrics": metrics_of(response),
    }


def metrics_of(response: Mapping[str, Any]) -> dict[str, float]:
    """Return the last value of each of a job's metrics."""
    return {metric["MetricName"]: metric["Value"] for metric in response.get("FinalMetricDataList", ())}


def event_for_job(response: Mapping[str, Any]) -> Event | None:
    """Return the event that ends the wait for a job's end, or None while it runs."""
    status = _statuses(JOB_WAITER).get(str(response.get("TrainingJobStatus")), "unknown_state")
    if status == outcomes.RUNNING:
        return None
    stopped = response.get("TrainingJobStatus") == _STOPPED
    return {"status": "stopped" if stopped else status, "job": summarize_job(response)}


def event_for_start(response: Mapping[str, Any]) -> Event | None:
    """Return the event that ends the wait for a job's instances, or None while it has none."""
    if event := event_for_job(response):
        return event
    status = _statuses(PLACED_WAITER).get(str(response.get("SecondaryStatus")), "success")
    return None if status == outcomes.RUNNING else {"status": "success", "job": summarize_job(response)}


def lacks_capacity(event: Event | None) -> bool:
    """Return whether a job failed because there was no instance for it."""
    return bool(event) and (event or {}).get("job", {}).get("failure_code") == NO_CAPACITY


def error_for_event(
    event: Event | None, endings: Mapping[str, Ending], resource: str, created_by: Iterable[str] = ()
) -> AwsWaitError:
    """Return the error that an unsuccessful event stands for.

    ``created_by`` are the ids of the tasks that created the job, as far as they are known.
    """
    error = outcomes.error_for_event(event, endings, resource, find_hint)
    error.console_url = console_url(str(error.resource))
    if isinstance(error, TrainingJobFailedError | TrainingJobStoppedError):
        error.next_step = _start_again(created_by)
    return error


def _start_again(created_by: Iterable[str]) -> str:
    """A job that has ended stays so, so clearing the task that waits for it only finds the failure again."""
    names = outcomes.creators(created_by)
    return (
        f"Correct the cause, then clear {names}: it starts the next job, which resumes from the last checkpoint. "
        "Clearing a task that only waits finds the same job again."
    )


def progress(response: Mapping[str, Any], elapsed: float, dollars_per_hour: float | None) -> str:
    """Return a line for the log: which job, its state, how long we wait, its losses and its cost so far."""
    state = f"{response.get('TrainingJobStatus')} ({response.get('SecondaryStatus')})"
    parts = [f"{response.get('TrainingJobName')}: {state} after {format_seconds(elapsed)}"]
    parts += [f"{name} {value:.4f}" for name, value in metrics_of(response).items() if name.endswith(":loss")]
    if started := response.get("TrainingStartTime"):
        end = response.get("TrainingEndTime") or datetime.now(UTC)
        seconds = response.get("BillableTimeInSeconds") or (end - started).total_seconds()
        parts.append(f"{format_seconds(seconds)} trained")
        if dollars_per_hour is not None:
            parts.append(f"at most {dollars_per_hour * seconds / 3600:.2f} USD so far")
    return ", ".join(parts)
