"""Delete the checkpoint in S3 from which a retired model was imported."""

from __future__ import annotations

import logging
from typing import Any

from include.aws.imported_models import ImportedModel
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri
from include.config.names import SHORT_FINGERPRINT_LENGTH
from include.errors import ModelImportError

log = logging.getLogger(__name__)


class CheckpointNotDeletedError(ModelImportError):
    """Some objects of a checkpoint were not deleted."""

    def __init__(self, s3_uri: str, found: str) -> None:
        super().__init__(
            "S3 did not delete the whole checkpoint", s3_uri, found=found, remedy="Grant s3:DeleteObject, run again."
        )


def delete_checkpoint(s3: Any, model: ImportedModel) -> int:
    """Delete a model's checkpoint and its manifest; return the number of deleted objects.

    The manifest is deleted first, so that no import takes a partial checkpoint for a complete one. Reports beside the
    checkpoint stay, since the registry points at them. A prefix that does not have this project's layout is left alone.

    Raises:
        CheckpointNotDeletedError: some objects were not deleted.
        S3RequestError: S3 refused the request.
    """
    ending = f"/{model.group}/{model.fingerprint[:SHORT_FINGERPRINT_LENGTH]}/checkpoint/"
    if not model.s3_uri.endswith(ending):
        log.warning("%s is not where this project stores checkpoints: not deleted", model.s3_uri)
        return 0
    prefix = S3Uri.parse(model.s3_uri)
    manifest = S3Uri(prefix.bucket, prefix.key.removesuffix("checkpoint/") + "manifest.json")
    request(s3, "delete_object", str(manifest), manifest.arguments)
    deleted = 0
    while keys := _first_keys(s3, prefix):
        _delete(s3, prefix, keys)
        deleted += len(keys)
    return deleted


def _first_keys(s3: Any, prefix: S3Uri) -> list[str]:
    page = request(s3, "list_objects_v2", str(prefix), {"Bucket": prefix.bucket, "Prefix": prefix.key})
    return [item["Key"] for item in page.get("Contents", [])]


def _delete(s3: Any, prefix: S3Uri, keys: list[str]) -> None:
    objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    answer = request(s3, "delete_objects", str(prefix), {"Bucket": prefix.bucket, "Delete": objects})
    if errors := answer.get("Errors"):
        found = f"{len(errors)} refused, the first: {errors[0].get('Code')} {errors[0].get('Key')}"
        raise CheckpointNotDeletedError(str(prefix), found)
