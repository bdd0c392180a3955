from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from include.aws.imported_models import list_models
from include.aws.transient import transient_cause
from include.config.model import RetentionConfig
from include.retention.retiring import (
    RETIRED_AT,
    RetirementFailedError,
    plan_for_group,
    retire,
    retire_after_promotion,
)
from include.retention.room import NoModelSlotError, free_slot, read_occupancy
from tests.integration.retention.conftest import QUOTA, Imports
from tests.support.bedrock_stand_in import BUCKET

NEWEST_ONLY = RetentionConfig(keep=1)


def test_after_a_promotion_the_old_versions_go_and_the_champion_stays(imports: Imports) -> None:
    imports.add("first", "second", "third")
    imports.register("first", "Approved")
    imports.register("second", "Rejected")
    report = retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"first", "third"}
    assert [(model.name, model.version) for model in report.retired] == [
        (imports.names("second").imported_model_name, 2)
    ]
    assert "1.95 USD storage a month" in report.summary()


def test_the_registry_says_when_a_version_was_retired_and_keeps_everything_else(imports: Imports) -> None:
    imports.add("first", "second")
    before = imports.register("first", "Rejected")
    champion = imports.register("second", "Approved")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    after = imports.registry.find(imports.group, before.fingerprint)
    assert after is not None
    assert after.metadata[RETIRED_AT].startswith(imports.now.date().isoformat())
    assert {key: value for key, value in after.metadata.items() if key != RETIRED_AT} == before.metadata
    assert after.status == "Rejected"
    assert imports.registry.champion(imports.group) == champion


def test_models_of_other_projects_and_other_models_are_not_touched(imports: Imports) -> None:
    imports.add("ours", "newer")
    other = Imports(imports.aws, imports.checkpoint, f"{imports.group}-2")  # a name that begins with ours
    other.add("old", "new")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert (imports.left(), other.left()) == ({"newer"}, {"old", "new"})


def test_a_tag_keeps_a_model(imports: Imports) -> None:
    imports.add("tagged", keep="demo for the board")
    imports.add("old", "new")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"tagged", "new"}


def test_the_checkpoint_goes_only_if_asked_and_reports_stay(imports: Imports) -> None:
    imports.add("first", "second", "third")
    report_key = f"{imports.names('first').evaluation_prefix}/report.json"
    imports.aws.client("s3").put_object(Bucket=BUCKET, Key=report_key, Body=b"{}")
    plan = plan_for_group(imports.clients, imports.group, RetentionConfig(keep=2), imports.now)
    retire(plan, imports.clients, imports.now)
    assert "manifest.json" in imports.keys("first")
    policy = RetentionConfig(keep=1, delete_checkpoint=True)
    report = retire_after_promotion(imports.clients, imports.group, policy, imports.now)
    assert imports.keys("second") == []
    assert report.retired[0].objects_deleted == len(list(imports.checkpoint.iterdir()))
    assert "evaluations/report.json" in imports.keys("first")
    assert len(imports.keys("third")) == 1 + len(list(imports.checkpoint.iterdir()))


def test_a_checkpoint_that_lies_elsewhere_is_left_alone(imports: Imports) -> None:
    uri = imports.aws.upload(imports.checkpoint, "shared/base")
    tags = [{"key": "model_name", "value": imports.group}, {"key": "fingerprint", "value": "f" * 64}]
    imports.arns["shared"] = imports.aws.import_model(uri, f"{imports.group}-shared", importedModelTags=tags)
    imports.add("new")
    policy = RetentionConfig(keep=1, delete_checkpoint=True)
    report = retire_after_promotion(imports.clients, imports.group, policy, imports.now)
    assert (imports.left(), report.retired[0].objects_deleted) == ({"new"}, 0)
    assert imports.aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="shared/base/")["KeyCount"] > 0


@pytest.mark.parametrize("code", ["ThrottlingException", "ConflictException", "InternalServerException"])
def test_a_refusal_that_passes_is_waited_out(imports: Imports, code: str) -> None:
    imports.add("old", "new")
    imports.aws.script("fail-calls", calls=2, operation="DeleteImportedModel", code=code)
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"new"}


def test_throttled_listing_is_waited_out(imports: Imports) -> None:
    imports.add("old", "new")
    for operation in ("ListImportedModels", "ListTagsForResource", "GetImportedModel"):
        imports.aws.script("fail-calls", calls=2, operation=operation)
    assert len(list_models(imports.clients.bedrock, imports.group)) == 2


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
def test_a_model_that_is_gone_already_counts_as_retired(imports: Imports, code: str) -> None:
    imports.add("old", "new")
    version = imports.register("old", "Rejected")
    plan = plan_for_group(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    imports.clients.bedrock.delete_imported_model(modelIdentifier=imports.arns["old"])
    imports.aws.script("fail-calls", operation="DeleteImportedModel", code=code)
    report = retire(plan, imports.clients, imports.now)
    assert [model.version for model in report.retired] == [version.number]
    found = imports.registry.find(imports.group, version.fingerprint)
    assert found is not None
    assert RETIRED_AT in found.metadata


def test_what_was_promoted_after_the_plan_was_made_stays(imports: Imports) -> None:
    imports.add("old", "new")
    plan = plan_for_group(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    imports.register("old", "Approved")
    assert retire(plan, imports.clients, imports.now).retired == ()
    assert imports.left() == {"old", "new"}


def test_one_failure_does_not_stop_the_others_and_is_told(imports: Imports) -> None:
    imports.add("first", "second", "new")
    imports.aws.script("fail-calls", operation="DeleteImportedModel", code="AccessDeniedException", message="Not you.")
    with pytest.raises(RetirementFailedError, match=r"(?s)1 imported model.*Not you\."):
        retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"first", "new"}


def test_retiring_twice_changes_nothing(imports: Imports) -> None:
    imports.add("old", "new")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now).retired == ()


def _free(imports: Imports, label: str, **policy: object) -> list[str]:
    config = RetentionConfig.model_validate(policy)
    name = imports.names(label).imported_model_name
    report = free_slot(imports.clients, imports.quotas, name, imports.group, config, imports.now)
    return [model.name for model in report.retired] if report else []


def test_a_slot_is_freed_by_the_oldest_version_and_by_no_more(imports: Imports) -> None:
    imports.add("first", "second", "third")
    assert _free(imports, "next", keep=1, make_room=True) == []
    imports.add("fourth")
    assert read_occupancy(imports.clients.bedrock, imports.quotas).free == 0
    assert _free(imports, "next", keep=1, make_room=True) == [imports.names("first").imported_model_name]
    assert imports.left() == {"second", "third", "fourth"}
    imports.add("next")
    assert len(imports.left()) == QUOTA


def test_a_model_that_is_imported_already_needs_no_slot(imports: Imports) -> None:
    imports.add("first", "second", "third", "fourth")
    assert _free(imports, "first", keep=1) == []


def test_without_leave_no_slot_is_freed_and_the_candidates_are_named(imports: Imports) -> None:
    imports.add("first", "second", "third", "fourth")
    with pytest.raises(NoModelSlotError) as caught:
        _free(imports, "next", keep=2)
    going, staying = (imports.names(label).imported_model_name for label in ("first", "fourth"))
    assert f"{going}: 3 newer version(s)" in caught.value.remedy
    assert staying not in caught.value.remedy
    assert imports.left() == {"first", "second", "third", "fourth"}


def test_room_is_not_made_against_the_policy(imports: Imports) -> None:
    imports.add("first", "second", "third", "fourth")
    with pytest.raises(NoModelSlotError, match="would retire none"):
        _free(imports, "next", keep=4, make_room=True)


def test_an_unexpected_error_of_bedrock_is_not_taken_for_gone(imports: Imports) -> None:
    imports.add("old", "new")
    imports.aws.script("fail-calls", calls=9, operation="ListImportedModels", code="AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)


@pytest.mark.parametrize(("code", "passes"), [("ExpiredTokenException", True), ("AccessDeniedException", False)])
def test_a_retirement_that_a_passing_fault_stopped_is_tried_again(imports: Imports, code: str, passes: bool) -> None:
    imports.add("old", "new")
    imports.aws.script("fail-calls", operation="DeleteImportedModel", code=code)
    with pytest.raises(RetirementFailedError) as caught:
        retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert bool(transient_cause(caught.value)) is passes
