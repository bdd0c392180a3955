"""Bedrock fails, hangs, forgets; names and slots are taken."""

from __future__ import annotations

from tests.faults.conftest import Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_failed, assert_imported_once, jobs_of, models_of, versions_of
from tests.faults.runs import Run

IMPATIENT = "import_model_impatiently"
MERGED, EARLY = "include/demo/adapters/finished", "include/demo/adapters/early"


def test_the_name_belongs_to_other_content(installation: Installation, start: Start, finished: Run) -> None:
    (model,) = models_of(finished)
    bedrock = installation.client("bedrock")
    tags = bedrock.list_tags_for_resource(resourceARN=model["modelArn"])["tags"]
    bedrock.tag_resource(resourceARN=model["modelArn"], tags=[{"key": "fingerprint", "value": "other"}])
    run = start(model_name=finished.model_name, adapter=MERGED)
    expected = ("ModelImportJobNameTakenError", "belongs to other content", "What to do: ")
    assert_failed(run, "create_import_job", *expected, jobs=1, versions=1)
    bedrock.tag_resource(resourceARN=model["modelArn"], tags=tags)


def test_the_model_is_deleted_behind_our_back_after_its_registration_and_imported_again(
    installation: Installation, start: Start, finished: Run
) -> None:
    installation.client("bedrock").delete_imported_model(modelIdentifier=models_of(finished)[0]["modelArn"])
    again = start(model_name=finished.model_name, adapter=MERGED)
    assert again.finish() == "success", again.summary()
    (model,), (version,) = models_of(finished), versions_of(finished)
    assert again.result("upload_checkpoint")["bytes_sent"] == 0
    assert version["CustomerMetadataProperties"]["imported_model_arn"] == model["modelArn"]
    assert [job["status"] for job in jobs_of(finished)] == ["Completed", "Completed"]


def test_a_failed_job_fails_the_run_with_a_hint_leaves_the_champion_and_the_next_run_takes_the_next_name(
    installation: Installation, start: Start, finished: Run
) -> None:
    before = jobs_of(finished)
    champion = [version["ModelPackageArn"] for version in versions_of(finished)]
    message = "Amazon Bedrock does not support the architecture (a test)"
    installation.script("fail-next-import", message=message)
    run = start(model_name=finished.model_name, adapter=EARLY)
    expected = ("ModelImportJobFailedError", message, "What to do: Bedrock reads model_type in config.json")
    assert_failed(run, "wait_for_import", *expected, jobs=len(before) + 1, versions=1)
    found = [(version["ModelPackageArn"], version["ModelApprovalStatus"]) for version in versions_of(run)]
    assert found == [(champion[0], "Approved")]
    # With so few questions the comparison is inconclusive, and a person would be asked.
    again = start(model_name=finished.model_name, adapter=EARLY, promotion="never")
    assert again.finish() == "success", again.summary()
    assert again.result("create_import_job")["job_name"].endswith("-2")
    assert len(jobs_of(run)) == len(before) + 2
    assert len(versions_of(run)) == 2


def test_a_stuck_job_ends_at_the_timeout_as_does_a_throttle_without_end_and_the_next_run_adopts_the_job(
    installation: Installation, start: Start
) -> None:
    installation.script("hold-imports")
    assert_failed(
        start(IMPATIENT), "wait_for_import", "ModelImportJobTimeoutError", "had not ended after", "s: arn:", jobs=1
    )
    throttled = start(IMPATIENT)
    throttled.wait_for_task("wait_for_import", "deferred")
    installation.script("fail-calls", operation="GetModelImportJob", seconds=600, message="Slow down, please")
    assert_failed(throttled, "wait_for_import", "ModelImportJobTimeoutError", "Slow down, please", jobs=1)
    installation.script("clear-faults")
    run = start()
    assert_imported_once(run)
    assert run.result("create_import_job")["adopted"]


def test_two_runs_of_the_same_model_at_once_and_a_third_of_another_one_that_finds_the_regions_quota_used_up(
    installation: Installation, start: Start
) -> None:
    installation.script("hold-imports")
    first, second = start(), start()
    first.wait_for_task("wait_for_import", "deferred")
    third = start(model_name=f"other-{first.model_name}")
    third.wait_for_task("create_import_job", "deferred", "scheduled", "queued", "running")
    second.wait_for_task("upload_checkpoint", "success")
    assert not jobs_of(third)
    installation.script("release-imports")
    assert_imported_once(first, second)
    assert_imported_once(third)


def test_a_role_that_bedrock_never_gets_to_know_fails_the_run_with_a_hint(
    installation: Installation, start: Start
) -> None:
    message = "The provided role ARN is invalid: a test."
    refusal = {"operation": "CreateModelImportJob", "code": "ValidationException", "message": message}
    installation.script("fail-calls", seconds=600, **refusal)
    hint = "What to do: A new role takes minutes to become known"
    assert_failed(start(), "create_import_job", "BedrockRequestRefusedError", message, hint, jobs=0)


def test_the_model_is_deleted_behind_our_back_before_its_evaluation_and_the_next_run_imports_it_again(
    installation: Installation, start: Start
) -> None:
    installation.script("cold", seconds=600)
    run = start()
    run.wait_for_task("warm_up", "deferred")
    installation.client("bedrock").delete_imported_model(modelIdentifier=models_of(run)[0]["modelArn"])
    expected = ("BedrockRequestRefusedError", "ResourceNotFoundException", "What to do: ")
    assert_failed(run, "warm_up", *expected, jobs=1)
    installation.script("clear-faults")
    again = start()
    assert again.finish() == "success", again.summary()
    assert again.result("create_import_job")["job_name"].endswith("-2")
    assert [len(of(run)) for of in (jobs_of, models_of, versions_of)] == [2, 1, 1]
