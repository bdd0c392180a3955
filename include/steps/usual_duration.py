"""Estimate how long an import takes from the model's earlier imports of similar size."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from statistics import median
from typing import Any

from include.aws.transient import NO_ANSWER
from include.registry.search import newest_versions
from include.registry.versions import ModelVersion

log = logging.getLogger(__name__)

#: Metadata of a version: how long its import job took, and the size of its base model.
IMPORT_SECONDS, CHECKPOINT_BYTES = "import_seconds", "checkpoint_bytes"
#: Imports whose size differs by at most this factor are considered similar.
SIMILAR_SIZE_FACTOR = 2
_MOST_VERSIONS = 50


def usual_import_seconds(sagemaker: Any, model_name: str, size: int) -> float | None:
    """Return the median duration of the model's earlier imports of about this size, or None.

    It is for the log only, so errors of the registry are ignored.
    """
    from botocore.exceptions import ClientError

    try:
        return usual_of(newest_versions(sagemaker, model_name, _MOST_VERSIONS), size)
    except (ClientError, *NO_ANSWER) as error:
        log.info("How long imports usually take is not known: %s", error)
        return None


def usual_of(versions: Iterable[ModelVersion], size: int) -> float | None:
    """Return the median duration, in seconds, of those versions' imports that are of about this size in bytes."""
    took = [
        float(version.metadata[IMPORT_SECONDS])
        for version in versions
        if version.metadata.get(IMPORT_SECONDS)
        and size / SIMILAR_SIZE_FACTOR
        <= int(version.metadata.get(CHECKPOINT_BYTES, "-1"))
        <= size * SIMILAR_SIZE_FACTOR
    ]
    return median(took) if took else None
