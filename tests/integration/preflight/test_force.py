"""What the plan of a run names, once its content is imported: the same import, unless the run is forced."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.run.plan import ImportPlan
from include.steps.plan_run import make_plan
from tests.support.account import Account
from tests.support.bedrock_stand_in import Aws


def planned(account: Account, run_id: str, *, force: bool = False) -> ImportPlan:
    account.values["force"] = force
    return make_plan(account.config, account.clients(), str(account.workspace), {"dag_id": "d", "dag_run_id": run_id})


def imported(aws: Aws, plan: ImportPlan, base: Path) -> ImportPlan:
    tags = [{"key": key, "value": value} for key, value in plan.tags.items()]
    aws.import_model(aws.upload(base, plan.fingerprint), plan.imported_model_name, jobTags=tags, importedModelTags=tags)
    return plan


def test_an_import_is_tagged_with_its_source_and_the_versions_that_made_it(account: Account, aws: Aws) -> None:
    tags = planned(account, "one").tags
    assert (tags["base"], tags["adapter"]) == (account.config.base, account.config.adapter)
    assert tags["transformers_version"] == "4.51.3"
    assert {"preparation_version", "project_version", "fingerprint", "dag_id", "dag_run_id"} <= tags.keys()
    assert (tags["forced"], tags["content"]) == ("false", tags["fingerprint"])


def test_a_forced_run_plans_another_import_of_the_same_content_and_says_so(
    account: Account, aws: Aws, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = imported(aws, planned(account, "one"), base)
    assert planned(account, "two").imported_model_name == first.imported_model_name
    forced = planned(account, "three", force=True)
    assert "force is on" in caplog.text
    assert forced.content == first.content
    assert forced.tags["forced"] == "true"
    for name in ("fingerprint", "imported_model_name", "job_name", "client_request_token", "s3_uri", "manifest_key"):
        assert getattr(forced, name) != getattr(first, name), name


def test_a_forced_run_that_is_cleared_or_tried_again_means_the_same_import(
    account: Account, aws: Aws, base: Path
) -> None:
    forced = imported(aws, planned(account, "one", force=True), base)
    assert planned(account, "one", force=True) == forced
    assert planned(account, "two", force=True).job_name != forced.job_name


def test_once_the_first_import_is_gone_a_run_finds_the_newest_that_was_forced(
    account: Account, aws: Aws, base: Path
) -> None:
    account.values["adapter"] = None  # names of jobs stay taken: content that no other test imports
    first = imported(aws, planned(account, "one"), base)
    imported(aws, planned(account, "two", force=True), base)
    newest = imported(aws, planned(account, "three", force=True), base)
    assert planned(account, "four").fingerprint == first.fingerprint
    aws.client("bedrock").delete_imported_model(modelIdentifier=first.imported_model_name)
    after = planned(account, "five")
    assert (after.imported_model_name, after.fingerprint) == (newest.imported_model_name, newest.fingerprint)
    assert after.tags["fingerprint"] == newest.fingerprint
