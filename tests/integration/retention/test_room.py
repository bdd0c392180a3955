"""What an import does in a full account, and what it says when nothing may be deleted."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from include.config.model import RetentionConfig
from include.retention.occupancy import read_occupancy
from include.retention.refusal import why_no_room
from include.retention.room import NoModelSlotError, free_slot
from tests.integration.retention.conftest import QUOTA, Imports


def _free(imports: Imports, label: str, **policy: object) -> list[str]:
    config = RetentionConfig.model_validate(policy)
    name = imports.names(label).imported_model_name
    report = free_slot(imports.clients, name, imports.group, config, imports.now)
    return [model.name for model in report.retired] if report else []


def _refused(imports: Imports, **policy: object) -> NoModelSlotError:
    with pytest.raises(NoModelSlotError) as caught:
        _free(imports, "next", **policy)
    return caught.value


def test_a_slot_is_freed_by_the_oldest_version_and_by_no_more(imports: Imports) -> None:
    imports.approve("first", "second", "third")
    assert _free(imports, "next", keep=1, make_room=True) == []
    imports.approve("fourth")
    assert read_occupancy(imports.clients.bedrock, imports.clients.service_quotas).free == 0
    assert _free(imports, "next", keep=1, make_room=True) == [imports.names("first").imported_model_name]
    assert imports.left() == {"second", "third", "fourth"}
    imports.add("next")
    assert len(imports.left()) == QUOTA


def test_rejected_versions_never_hold_the_last_slot(imports: Imports) -> None:
    imports.approve("former", "champion")
    imports.add("worse", "worst")
    for label in ("worse", "worst"):
        imports.register(label, "Rejected")
    assert _free(imports, "next") == [imports.names("worse").imported_model_name]
    assert imports.left() == {"former", "champion", "worst"}


def test_when_a_rejected_version_is_evaluated_again_the_next_one_goes(imports: Imports) -> None:
    imports.approve("champion")
    imports.add("worse", "worst", "bad")
    for label in ("worse", "worst", "bad"):
        imports.register(label, "Rejected")
    imports.clients.bedrock.tag_resource(
        resourceARN=imports.arns["worse"],
        tags=[{"key": "evaluated_by", "value": f"{imports.now.isoformat()} import_capitals/other"}],
    )
    assert _free(imports, "next") == [imports.names("worst").imported_model_name]


def test_a_model_that_is_imported_already_needs_no_slot(imports: Imports) -> None:
    imports.approve("first", "second", "third", "fourth")
    assert _free(imports, "first", keep=1) == []


def test_without_leave_no_approved_version_goes_and_what_frees_a_slot_is_named(imports: Imports) -> None:
    imports.approve("first", "second", "third", "fourth")
    error = _refused(imports, keep=3)
    first, fourth = (imports.names(label).imported_model_name for label in ("first", "fourth"))
    assert f"{fourth}: it is the champion, version 4" in error.found
    assert f"{first}: version 1 is not among the 3 newest approved versions" in error.found
    assert f"Set retention.make_room in the file of {imports.group}: its next run then deletes {first}." in error.remedy
    trigger = f"Trigger retire_imported_models with model_name {imports.group} and dry_run off: it deletes {first}."
    assert trigger in error.remedy
    assert imports.left() == {"first", "second", "third", "fourth"}


def test_room_is_not_made_against_the_policy_and_the_setting_that_frees_one_slot_is_named(imports: Imports) -> None:
    imports.approve("first", "second", "third", "fourth")
    error = _refused(imports, keep=4, make_room=True)
    first = imports.names("first").imported_model_name
    assert (
        f"Trigger retire_imported_models with model_name {imports.group}, keep 3, younger_than_days 0 and dry_run off: "
        f"it deletes {first}."
    ) in error.remedy
    assert "make_room" not in error.remedy


def test_the_models_of_others_that_hold_the_slots_are_named_and_the_run_that_deletes_their_rejected_ones(
    imports: Imports,
) -> None:
    other = Imports(imports.aws, imports.checkpoint, f"{imports.group}-rivers")
    other.approve("champion")
    other.add("rejected", "waits")
    other.register("rejected", "Rejected")
    other.register("waits", "PendingManualApproval")
    uri = imports.aws.upload(imports.checkpoint, "elsewhere")
    imports.aws.import_model(uri, f"{imports.group}-by-hand")
    error = _refused(imports)
    rejected, waits = (other.names(label).imported_model_name for label in ("rejected", "waits"))
    assert f"\n    {rejected}: version 2 was rejected" in error.found
    assert f"\n    {waits}: version 3 waits for a person's approval" in error.found
    assert f"\n    {imports.group}-by-hand: this project did not import it" in error.found
    assert (
        f"Trigger retire_imported_models with model_name {other.group} and dry_run off: it deletes {rejected}."
        in error.remedy
    )
    assert f"Approve or reject what waits for a person: {waits}." in error.remedy
    assert "L-45B04988" in error.remedy
    assert other.left() == {"champion", "rejected", "waits"}


def test_a_user_who_may_not_read_the_versions_of_others_is_still_shown_which_models_hold_the_slots(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Imports(imports.aws, imports.checkpoint, f"{imports.group}-rivers")
    other.approve("secret")

    def refuse(models: object, sagemaker: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListModelPackages")

    monkeypatch.setattr("include.retention.refusal.versions_of", refuse)
    occupancy = read_occupancy(imports.clients.bedrock, imports.clients.service_quotas)
    found, remedy = why_no_room(imports.clients, occupancy, imports.group, RetentionConfig(), imports.now)
    assert f"{other.names('secret').imported_model_name}: the versions of {other.group} cannot be read" in found
    assert f"Trigger retire_imported_models with model_name {other.group}: it shows what could go." in remedy
