"""Find the import that an earlier attempt or another run already started for the same content.

Import jobs cannot be cancelled and their names stay taken for ever, so a retry must never start a second one. What is
"the same content" means the same tag ``fingerprint`` of jobs and models.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_waits.attempts import MAX_JOB_NAME_LENGTH, FreeAttempt, numbered
from bedrock_import.exceptions import ModelImportJobNameTakenError
from bedrock_import.hooks import BedrockModelImportHook
from bedrock_import.links import console_url_for

FINGERPRINT_TAG = "fingerprint"
MAX_TOKEN_LENGTH = 256


@dataclass(frozen=True)
class StartedImport:
    """The job: created now, or adopted."""

    job_arn: str
    job_name: str
    imported_model_name: str
    adopted: bool


def fingerprint_in(request: Mapping[str, Any]) -> str | None:
    """Return the fingerprint among the tags of a CreateModelImportJob request."""
    tags = [*request.get("jobTags", []), *request.get("importedModelTags", [])]
    return next((tag["value"] for tag in tags if tag["key"] == FINGERPRINT_TAG), None)


def find_import(
    hook: BedrockModelImportHook, job_name: str, imported_model_name: str, fingerprint: str | None
) -> StartedImport | FreeAttempt:
    """Return the import with this fingerprint, or the attempt to make if there is none.

    A failed job, and a completed one whose model was deleted, are passed over: the next attempt is numbered.

    Raises:
        ModelImportJobNameTakenError: the model's or the job's name belongs to other content. Without a fingerprint all
            content is other content.
    """
    if model := hook.find_imported_model(imported_model_name):
        _check_ours(hook, model["modelArn"], imported_model_name, fingerprint)
        return StartedImport(model["jobArn"], model["jobName"], model["modelName"], adopted=True)
    for attempt in itertools.count(1):
        job = hook.find_import_job(numbered(job_name, attempt, MAX_JOB_NAME_LENGTH))
        if job is None:
            break
        if _is_over(hook, job):
            continue
        _check_ours(hook, job["jobArn"], job["jobName"], fingerprint)
        return StartedImport(job["jobArn"], job["jobName"], job["importedModelName"], adopted=True)
    return FreeAttempt(attempt)


def _is_over(hook: BedrockModelImportHook, job: Mapping[str, Any]) -> bool:
    """Return whether the job has failed, or its model was deleted."""
    if job["status"] == "Completed":
        return hook.find_imported_model(job["importedModelArn"]) is None
    return bool(job["status"] == "Failed")


def _check_ours(hook: BedrockModelImportHook, arn: str, name: str, fingerprint: str | None) -> None:
    found = hook.get_tags(arn).get(FINGERPRINT_TAG)
    if fingerprint is None or found != fingerprint:
        raise ModelImportJobNameTakenError(
            f"The name {name!r} belongs to other content (fingerprint {found}, expected {fingerprint})",
            resource=arn,
            hint="Use another name, or delete the imported model if it is not needed.",
            console_url=console_url_for(arn, hook),
        )
