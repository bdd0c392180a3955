"""Choose the fine-tune that an event-driven run imports, and decide whether the import is needed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from include.errors import ModelImportError
from include.registry.versions import ModelVersion
from include.run.plan import ImportPlan

log = logging.getLogger(__name__)


class FineTune(BaseModel):
    """A new model artifact: its location, and when its last file was written or its training job ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    artifact: str
    landed_at: AwareDatetime


class FineTuneMissingError(ModelImportError):
    """A run was started by an asset event without an artifact."""

    def __init__(self, asset: str) -> None:
        super().__init__(
            "No event of this asset names an artifact",
            asset,
            expected="an event with artifact and landed_at, as the asset's watcher makes them",
            remedy="Trigger the DAG by hand to import what its file names.",
        )


def newest_fine_tune(asset: str, payloads: Iterable[object]) -> FineTune:
    """Return the newest artifact by S3's or SageMaker's clock, not by the order of the events.

    Args:
        asset: the asset's name, for the error.
        payloads: the payloads of its events, the latest first.

    Raises:
        FineTuneMissingError: none of them names an artifact.
    """
    landed = [fine_tune for payload in payloads if (fine_tune := _read(payload))]
    if not landed:
        raise FineTuneMissingError(asset)
    return max(landed, key=lambda fine_tune: fine_tune.landed_at)


def _read(payload: object) -> FineTune | None:
    try:
        return FineTune.model_validate(payload)
    except ValidationError:
        log.warning("An event of the asset names no artifact: %.300r", payload)
        return None


class Verdict(NamedTuple):
    """Whether a run continues after preflight, and the reason if it does not."""

    goes_on: bool
    reason: str


def judge(plan: ImportPlan, versions: Iterable[ModelVersion]) -> Verdict:
    """Return whether the content is new: not registered yet, and not older than the versions that may be in use.

    Args:
        plan: what the run would import.
        versions: the model's registered versions.
    """
    for version in versions:
        if version.fingerprint == plan.fingerprint and not version.retired:
            return Verdict(False, f"version {version.number} ({version.status}) holds this content already")
        if plan.landed_at and version.landed_at and version.status != "Rejected" and version.landed_at > plan.landed_at:
            newer = (
                f"version {version.number} ({version.status}) was made of a fine-tune that landed {version.landed_at}"
            )
            return Verdict(False, f"{newer}, after this one ({plan.landed_at})")
    return Verdict(True, "no version holds this content, and none is of a newer fine-tune")
