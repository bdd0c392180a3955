"""Roll back: make an earlier version the champion again.

The champion is the newest approved version that names an imported model. So the wanted version is approved, and the
approved versions that are newer lose their approval; the champion's own goes last, so that there is a champion at every
moment. Versions that other software registered in the group name no imported model; they are left as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from include.registry.errors import NothingToRollBackToError, VersionNotImportedError, VersionUnknownError
from include.registry.imported import check_imported
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import DECIDED_AT, DECIDED_BY, ModelVersion

log = logging.getLogger(__name__)


class RollBack(NamedTuple):
    """The version that becomes the champion, and the versions that lose their approval, oldest first."""

    target: ModelVersion
    withdrawn: tuple[ModelVersion, ...]


def plan_roll_back(group: str, versions: Sequence[ModelVersion], number: int | None) -> RollBack:
    """Return what changes so that version ``number`` is the champion.

    Args:
        group: the model's name.
        versions: all of the group, newest first.
        number: the wanted version; None for the newest approved one before the champion.

    Raises:
        VersionUnknownError: there is no such version.
        NothingToRollBackToError: no number was given and there is no approved version before the champion.
        VersionNotImportedError: retention deleted the version's imported model, or the version never had one.
    """
    approved = [version for version in versions if version.status == "Approved" and version.imported_model_arn]
    if number is None:
        earlier = [version for version in approved[1:] if not version.retired]
        if not earlier:
            raise NothingToRollBackToError(group, approved[0].number if approved else None)
        target = earlier[0]
    else:
        target = _numbered(group, versions, number)
    if target.retired or not target.imported_model_arn:
        raise VersionNotImportedError(group, target.number, target.imported_model_arn)
    return RollBack(target, tuple(version for version in reversed(approved) if version.number > target.number))


def _numbered(group: str, versions: Sequence[ModelVersion], number: int) -> ModelVersion:
    for version in versions:
        if version.number == number:
            return version
    raise VersionUnknownError(group, f"version {number}", tuple(version.number for version in versions))


def roll_back(group: str, number: int | None, *, by: str, why: str, sagemaker: Any, bedrock: Any) -> dict[str, Any]:
    """Make version ``number`` of the group the champion; return it, and what lost its approval.

    What is rolled back is recorded as a person's decision: no later run approves a withdrawn version again.

    Args:
        group: the model's name.
        number: the wanted version; None for the newest approved one before the champion.
        by: who asks for it.
        why: the reason, for the registry.
        sagemaker: a SageMaker client.
        bedrock: a Bedrock client, in the region of the imported models.

    Raises:
        VersionUnknownError, NothingToRollBackToError, VersionNotImportedError: see ``plan_roll_back``.
    """
    registry = SageMakerRegistry(sagemaker)
    planned = plan_roll_back(group, list(registry.versions(group)), number)
    target = planned.target
    check_imported(group, target, bedrock)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    who = {DECIDED_BY: by, DECIDED_AT: now}
    if target.status != "Approved":
        registry.set_status(target, "Approved", f"approved by {by}: {why}", who)
    for version in planned.withdrawn:
        reason = f"rolled back to version {target.number} by {by}: {why}"
        registry.set_status(version, "Rejected", reason, {**who, "decision": reason})
    return {
        "model_name": group,
        "champion": target.number,
        "imported_model_arn": target.imported_model_arn,
        "fingerprint": target.fingerprint,
        "withdrawn": [version.number for version in planned.withdrawn],
        "changed": bool(planned.withdrawn) or target.status != "Approved",
    }
