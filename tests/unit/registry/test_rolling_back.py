from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.registry.errors import NothingToRollBackToError, VersionNotImportedError, VersionUnknownError
from include.registry.rolling_back import plan_roll_back
from include.registry.versions import RETIRED_AT, ApprovalStatus, ModelVersion

STATUSES: dict[str, ApprovalStatus] = {"A": "Approved", "R": "Rejected", "P": "PendingManualApproval"}


def _versions(statuses: str, retired: tuple[int, ...] = (), foreign: tuple[int, ...] = ()) -> list[ModelVersion]:
    """Versions 1, 2, … with these statuses, given oldest first and returned newest first.

    Other software registered those that are ``foreign``: they name no imported model.
    """
    began = datetime(2026, 1, 1, tzinfo=UTC)
    found = [
        ModelVersion(
            arn=f"arn:{number}",
            number=number,
            status=STATUSES[letter],
            created_at=began + timedelta(days=number),
            metadata={
                **({} if number in foreign else {"imported_model_arn": f"arn:model:{number}"}),
                **({RETIRED_AT: "2026-02-01"} if number in retired else {}),
            },
        )
        for number, letter in enumerate(statuses, start=1)
    ]
    return found[::-1]


def test_the_newer_approved_versions_lose_their_approval_and_the_champion_last() -> None:
    planned = plan_roll_back("m", _versions("ARAPA"), 1)
    assert planned.target.number == 1
    assert [version.number for version in planned.withdrawn] == [3, 5]


def test_without_a_number_it_is_the_approved_version_before_the_champion() -> None:
    assert plan_roll_back("m", _versions("AARA"), None).target.number == 2


def test_without_a_number_a_retired_version_is_passed_over() -> None:
    assert plan_roll_back("m", _versions("AAA", retired=(2,)), None).target.number == 1


def test_versions_of_other_software_are_neither_taken_nor_withdrawn() -> None:
    planned = plan_roll_back("m", _versions("AAAA", foreign=(2, 4)), None)
    assert (planned.target.number, [version.number for version in planned.withdrawn]) == (1, [3])
    with pytest.raises(VersionNotImportedError, match="names none"):
        plan_roll_back("m", _versions("AA", foreign=(1,)), 1)


def test_a_rejected_version_can_be_named() -> None:
    planned = plan_roll_back("m", _versions("RA"), 1)
    assert (planned.target.number, [version.number for version in planned.withdrawn]) == (1, [2])


def test_the_champion_itself_changes_nothing() -> None:
    assert plan_roll_back("m", _versions("AA"), 2).withdrawn == ()


@pytest.mark.parametrize("statuses", ["", "R", "A", "RA", "AR"])
def test_without_an_earlier_approved_version_there_is_nothing_to_roll_back_to(statuses: str) -> None:
    with pytest.raises(NothingToRollBackToError):
        plan_roll_back("m", _versions(statuses), None)


def test_an_unknown_version_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(VersionUnknownError, match="2, 1"):
        plan_roll_back("m", _versions("AA"), 7)


def test_a_retired_version_is_refused_and_says_how_to_get_it_back() -> None:
    with pytest.raises(VersionNotImportedError, match="import_m "):
        plan_roll_back("m", _versions("AA", retired=(1,)), 1)
