"""Hand a finished fine-tune to the import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from include.registry.versions import ModelVersion
from include.training.training_record import FineTuneRecord


def artifact_of(record: FineTuneRecord) -> str:
    """Return the artifact as a model's file and an asset event name it."""
    return f"sagemaker:training-job/{record.job_name}"


def event_of(record: FineTuneRecord) -> dict[str, Any]:
    """Return the extra of the asset event, of the form that an import reads."""
    return {
        "artifact": artifact_of(record),
        "landed_at": record.finished_at.isoformat(),
        "fingerprint": record.fingerprint,
    }


def imported_version(record: FineTuneRecord, versions: Iterable[ModelVersion]) -> int | None:
    """Return the number of the version that was made of this fine-tune and is not retired; None without one."""
    artifact = artifact_of(record)
    found = (version for version in versions if version.metadata.get("adapter") == artifact and not version.retired)
    return next((version.number for version in found), None)
