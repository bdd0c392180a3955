from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.aws.imported_models import list_models
from include.aws.model_use import begin_use, end_use
from include.aws.transient import transient_cause
from include.config.model import RetentionConfig
from include.registry.leases import LEASE_NAME
from include.registry.rolling_back import roll_back
from include.retention import retiring
from include.retention.retiring import (
    RETIRED_AT,
    RetirementFailedError,
    plan_for_group,
    retire,
    retire_after_promotion,
)
from tests.integration.retention.conftest import Imports
from tests.support.bedrock_stand_in import BUCKET

NEWEST_ONLY = RetentionConfig(keep=1)


def test_after_a_promotion_rejected_and_old_versions_go_and_the_champion_stays(imports: Imports) -> None:
    imports.add("rejected")
    imports.approve("first", "second")
    imports.register("rejected", "Rejected")
    report = retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"second"}
    assert [(model.name, model.version) for model in report.retired] == [
        (imports.names("rejected").imported_model_name, 3),
        (imports.names("first").imported_model_name, 1),
    ]
    assert "3.90 USD storage a month" in report.summary()


def test_a_version_that_waits_for_a_person_stays_and_a_rejected_one_goes(imports: Imports) -> None:
    imports.add("waits", "second", "third")
    imports.register("waits", "PendingManualApproval")
    imports.register("second", "Rejected")
    imports.register("third", "Approved")
    retire_after_promotion(imports.clients, imports.group, RetentionConfig(), imports.now)
    assert imports.left() == {"waits", "third"}


def test_a_version_that_another_run_evaluates_stays_until_that_run_has_done(imports: Imports) -> None:
    imports.add("measured")
    imports.register("measured", "Rejected")
    imports.approve("champion")
    name = imports.names("measured").imported_model_name
    begin_use(imports.clients.bedrock, name, "import_capitals/other run", imports.now)
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"measured", "champion"}
    end_use(imports.clients.bedrock, name, "import_capitals/this run", imports.now)
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"measured", "champion"}
    end_use(imports.clients.bedrock, name, "import_capitals/other run", imports.now)
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"champion"}


def test_a_model_that_was_imported_a_moment_ago_and_is_not_registered_stays(imports: Imports) -> None:
    imports.add("being evaluated")
    imports.approve("champion")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, datetime.now(UTC))
    assert imports.left() == {"champion", "being evaluated"}


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
    imports.approve("ours", "newer")
    other = Imports(imports.aws, imports.checkpoint, f"{imports.group}-2")  # a name that begins with ours
    other.approve("old", "new")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert (imports.left(), other.left()) == ({"newer"}, {"old", "new"})


def test_a_tag_keeps_a_model(imports: Imports) -> None:
    imports.add("tagged", keep="demo for the board")
    imports.approve("old", "new")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"tagged", "new"}


def test_the_checkpoint_goes_only_if_asked_and_reports_stay(imports: Imports) -> None:
    imports.approve("first", "second", "third")
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
    imports.approve("new")
    policy = RetentionConfig(keep=1, delete_checkpoint=True)
    report = retire_after_promotion(imports.clients, imports.group, policy, imports.now)
    assert (imports.left(), report.retired[0].objects_deleted) == ({"new"}, 0)
    assert imports.aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="shared/base/")["KeyCount"] > 0


@pytest.mark.parametrize("code", ["ThrottlingException", "ConflictException", "InternalServerException"])
def test_a_refusal_that_passes_is_waited_out(imports: Imports, code: str) -> None:
    imports.approve("old", "new")
    imports.aws.script("fail-calls", calls=2, operation="DeleteImportedModel", code=code)
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"new"}


def test_throttled_listing_is_waited_out(imports: Imports) -> None:
    imports.add("old", "new")
    for operation in ("ListImportedModels", "ListTagsForResource", "GetImportedModel"):
        imports.aws.script("fail-calls", calls=2, operation=operation)
    assert len(list_models(imports.clients.bedrock, imports.group)) == 2


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException", "AccessDeniedException"])
def test_a_model_that_is_gone_already_counts_as_retired(imports: Imports, code: str) -> None:
    imports.add("old")
    version = imports.register("old", "Rejected")
    imports.approve("new")
    plan = plan_for_group(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    imports.clients.bedrock.delete_imported_model(modelIdentifier=imports.arns["old"])
    imports.aws.script("fail-calls", operation="DeleteImportedModel", code=code)
    report = retire(plan, imports.clients, imports.now)
    assert [model.version for model in report.retired] == [version.number]
    found = imports.registry.find(imports.group, version.fingerprint)
    assert found is not None
    assert RETIRED_AT in found.metadata


def test_a_model_whose_deletion_is_denied_is_no_retired_one(imports: Imports) -> None:
    imports.approve("old", "new")
    imports.aws.script("fail-calls", operation="DeleteImportedModel", code="AccessDeniedException")
    with pytest.raises(RetirementFailedError, match="AccessDeniedException"):
        retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"old", "new"}


def test_what_was_promoted_after_the_plan_was_made_stays(imports: Imports) -> None:
    imports.add("old")
    imports.approve("new")
    plan = plan_for_group(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    imports.register("old", "Approved")
    assert retire(plan, imports.clients, imports.now).retired == ()
    assert imports.left() == {"old", "new"}


def test_what_became_the_champion_by_a_roll_back_between_two_deletions_stays(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports.add("rejected")
    imports.register("rejected", "Rejected")
    imports.approve("older", "champion")
    plan = plan_for_group(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert [verdict.model.arn for verdict in plan.retire] == [imports.arns["rejected"], imports.arns["older"]]

    def retire_and_roll_back(*arguments: Any) -> Any:
        done = retire_one(*arguments)
        roll_back(imports.clients, imports.group, 2, by="Maria", why="wrong", request="roll_back_model/1")
        return done

    retire_one = retiring._retire_one
    monkeypatch.setattr(retiring, "_retire_one", retire_and_roll_back)
    retire(plan, imports.clients, imports.now)
    champion = imports.registry.champion(imports.group)
    assert champion is not None
    assert (champion.number, champion.retired) == (2, False)
    assert imports.left() == {"older", "champion"}


def test_nobody_else_changes_the_models_versions_from_the_look_at_the_champion_to_the_deletion(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports.approve("old", "champion")
    owners: list[str] = []
    key = imports.names("old").manifest_key.replace("manifest.json", "").rsplit("/", 2)[0] + f"/{LEASE_NAME}"

    def delete_and_look(bedrock: Any, arn: str) -> None:
        lease = imports.clients.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        owners.append(json.loads(lease)["owner"])
        delete(bedrock, arn)

    delete = retiring._delete_model
    monkeypatch.setattr(retiring, "_delete_model", delete_and_look)
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert owners == [f"the deletion of {imports.names('old').imported_model_name}"]
    assert imports.clients.s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 0


@pytest.mark.parametrize("change", ["approved", "kept by a tag", "evaluated"])
def test_what_is_wanted_again_after_the_plan_was_made_stays(imports: Imports, change: str) -> None:
    imports.add("rejected")
    version = imports.register("rejected", "Rejected")
    imports.approve("champion")
    plan = plan_for_group(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    arn, bedrock = imports.arns["rejected"], imports.clients.bedrock
    if change == "approved":
        imports.registry.set_status(version, "Approved", "for a second champion to go back to")
    elif change == "evaluated":
        begin_use(bedrock, arn, "another run", imports.now)
    else:
        bedrock.tag_resource(resourceARN=arn, tags=[{"key": "keep", "value": ""}])
    assert retire(plan, imports.clients, imports.now).retired == ()
    assert imports.left() == {"rejected", "champion"}


def test_one_failure_does_not_stop_the_others_and_is_told(imports: Imports) -> None:
    imports.approve("first", "second", "new")
    imports.aws.script("fail-calls", operation="DeleteImportedModel", code="AccessDeniedException", message="Not you.")
    with pytest.raises(RetirementFailedError, match=r"(?s)1 imported model.*Not you\."):
        retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert imports.left() == {"first", "new"}


def test_retiring_twice_changes_nothing(imports: Imports) -> None:
    imports.approve("old", "new")
    retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now)
    assert retire_after_promotion(imports.clients, imports.group, NEWEST_ONLY, imports.now).retired == ()


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
