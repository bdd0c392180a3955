"""Find the training that an earlier attempt, another run or a person already started for the same content.

A training job costs by the second and its name stays taken for ever, so a retry must never start a second one. What is
"the same content" means the same hyperparameter ``fingerprint``, which cannot be changed after the request.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_waits.attempts import MAX_JOB_NAME_LENGTH, FreeAttempt, numbered
from sagemaker_training.exceptions import TrainingJobNameTakenError
from sagemaker_training.hooks import SageMakerTrainingHook
from sagemaker_training.links import console_url_for

FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class StartedTraining:
    """The job: created now, or adopted. ``attempt`` counts the jobs of its content."""

    job_arn: str
    job_name: str
    attempt: int
    adopted: bool


def fingerprint_in(job: Mapping[str, Any]) -> str | None:
    """Return the fingerprint in a request of CreateTrainingJob, or in DescribeTrainingJob's answer."""
    found: str | None = job.get("HyperParameters", {}).get(FINGERPRINT)
    return found


def find_training(
    hook: SageMakerTrainingHook, job_name: str, fingerprint: str | None
) -> StartedTraining | FreeAttempt | None:
    """Return the job with this fingerprint that runs or is complete, the attempt to make without one, or None to wait.

    Failed and stopped jobs are passed over, and a completed one whose artifact was deleted: the next attempt is
    numbered. While a job is being stopped its end is waited for, since both would write the same checkpoints.

    Raises:
        TrainingJobNameTakenError: the job's name belongs to other content. Without a fingerprint all content is other
            content.
    """
    for attempt in itertools.count(1):
        job = hook.find_training_job(numbered(job_name, attempt, MAX_JOB_NAME_LENGTH))
        if job is None:
            break
        if job["TrainingJobStatus"] == "Stopping":
            return None
        if _is_over(hook, job):
            continue
        _check_ours(hook, job, fingerprint)
        return StartedTraining(job["TrainingJobArn"], job["TrainingJobName"], attempt, adopted=True)
    return FreeAttempt(attempt)


def _is_over(hook: SageMakerTrainingHook, job: dict[str, Any]) -> bool:
    """Return whether nothing is to be had from the job."""
    if job["TrainingJobStatus"] == "Completed":
        return not hook.has_artifact(job)
    return job["TrainingJobStatus"] in ("Failed", "Stopped")


def _check_ours(hook: SageMakerTrainingHook, job: Mapping[str, Any], fingerprint: str | None) -> None:
    arn, name = job["TrainingJobArn"], job["TrainingJobName"]
    found = fingerprint_in(job)
    if fingerprint is None or found != fingerprint:
        raise TrainingJobNameTakenError(
            f"The name {name!r} belongs to other content (fingerprint {found}, expected {fingerprint})",
            resource=arn,
            hint="Use another name.",
            console_url=console_url_for(arn, hook),
        )
