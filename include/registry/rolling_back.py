"""Roll back: make an earlier version the champion again.

The champion is the newest approved version that names an imported model. So the wanted version is approved, and the
approved versions that are newer lose their approval; the champion's own goes last, so that there is a champion at every
moment. Versions that other software registered in the group name no imported model; they are left as they are.

The wanted version is marked with the request and the previous champion. Repeating a request that was interrupted
continues it, and repeating a completed one changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from include.aws.clients import AwsClients
from include.registry.champions import find_champion
from include.registry.errors import (
    ChampionChangedError,
    NothingToRollBackToError,
    VersionNotImportedError,
    VersionUnknownError,
)
from include.registry.imported import check_imported
from include.registry.leases import changing_versions
from include.registry.sagemaker import SageMakerRegistry, metadata_value
from include.registry.versions import DECIDED_AT, DECIDED_BY, ModelVersion

log = logging.getLogger(__name__)

#: Metadata of the version that a roll back made the champion: the request, and the number of the champion before.
REQUEST, FROM = "rolled_back_by", "rolled_back_from"


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


def roll_back(
    clients: AwsClients, group: str, number: int | None, *, by: str, why: str, request: str, champion: int | None = None
) -> dict[str, Any]:
    """Make version ``number`` of the group the champion; return it, and what lost its approval.

    What is rolled back is recorded as a person's decision: no later run approves a withdrawn version again.

    Args:
        clients: S3, SageMaker and Bedrock are asked, in the region of the imported models.
        group: the model's name.
        number: the wanted version; None for the newest approved one before the champion.
        by: who asks for it.
        why: the reason, for the registry.
        request: names the request among all others; the same again continues it.
        champion: the version that the request is about; None for whichever is the champion.

    Raises:
        ChampionChangedError: another version than ``champion`` is the champion, and this request has not begun.
        VersionUnknownError, NothingToRollBackToError, VersionNotImportedError: see ``plan_roll_back``.
        LeaseError: other processes are changing the model's versions.
    """
    with changing_versions(clients, group, None, request) as registry:
        versions = list(registry.versions(group))
        begun = find_begun(versions, request)
        if champion and not begun:
            _check_champion(clients, group, versions, champion)
        if begun and _is_done(begun, versions):
            planned = RollBack(begun, ())
        else:
            planned = plan_roll_back(group, versions, begun.number if begun else number)
            check_imported(group, planned.target, clients.bedrock)
            if begun or planned.withdrawn or planned.target.status != "Approved":
                _apply(registry, planned, by, why, request)
    target = planned.target
    return {
        "model_name": group,
        "champion": target.number,
        "imported_model_arn": target.imported_model_arn,
        "fingerprint": target.fingerprint,
        "withdrawn": [version.number for version in planned.withdrawn],
        "changed": bool(begun or planned.withdrawn) or target.status != "Approved",
    }


def find_begun(versions: Iterable[ModelVersion], request: str) -> ModelVersion | None:
    """Return the version that a roll back with this request made, or has begun to make, the champion."""
    return next((version for version in versions if version.metadata.get(REQUEST) == metadata_value(request)), None)


def _check_champion(clients: AwsClients, group: str, versions: Sequence[ModelVersion], champion: int) -> None:
    found = find_champion(group, clients.sagemaker, clients.bedrock)
    if found.number != champion:
        raise ChampionChangedError(group, _numbered(group, versions, champion), champion, found.champion)


def _is_done(begun: ModelVersion, versions: Sequence[ModelVersion]) -> bool:
    """Return whether the champion before has lost its approval, which is the last thing that a roll back does."""
    before = begun.metadata.get(FROM)
    return not any(str(version.number) == before and version.status == "Approved" for version in versions)


def _apply(registry: SageMakerRegistry, planned: RollBack, by: str, why: str, request: str) -> None:
    target = planned.target
    who = {DECIDED_BY: by, DECIDED_AT: datetime.now(UTC).isoformat(timespec="seconds")}
    before = str(planned.withdrawn[-1].number) if planned.withdrawn else "none"
    registry.set_status(target, "Approved", f"approved by {by}: {why}", {**who, REQUEST: request, FROM: before})
    for version in planned.withdrawn:
        reason = f"rolled back to version {target.number} by {by}: {why}"
        registry.set_status(version, "Rejected", reason, {**who, "decision": reason})
