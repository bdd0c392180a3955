"""What was decided, or approved, against an earlier champion does not replace today's."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from include.registry.errors import ChampionChangedError, VersionNotImportedError
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import ModelVersion
from include.steps.decide import measure_champion
from include.steps.register import ImportedModelGoneError
from include.steps.results import Answer
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.promotion_runs import EQUAL_IS_ENOUGH, Runs, early, finished, weak

LOW = {"evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "thresholds": {"f1": 0.2}}}
BY_MARIA = Answer(approved=True, by="Maria", at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


def by_deadline(*, approved: bool) -> Answer:
    return Answer(approved=approved, by="", at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


def newest(runs: Runs) -> ModelVersion:
    return next(SageMakerRegistry(runs.clients.sagemaker).versions(runs.group))


def test_of_two_runs_at_once_the_worse_model_does_not_replace_the_better_one(runs: Runs) -> None:
    runs.run(runs.plan(**LOW), weak)
    slow = runs.plan(**LOW)
    decided = runs.decided(slow, early)
    assert decided["decide_promotion"]["status"] == "Approved"
    runs.run(runs.plan(), finished)
    late = runs.registered(slow, decided)
    assert (late["register_version"]["status"], late["register_version"]["promoted"]) == ("Rejected", False)
    assert runs.champion() == 2
    again = late["register_version"]["decided_again"]
    assert (again["champion"], again["status"]) == (2, "Rejected")
    assert "worse beyond the margin" in again["reasons"][0]
    assert newest(runs).metadata["decision"].startswith("f1 differs from champion version 2")
    assert "champion version 2" in runs.page(slow, late)


def test_of_two_runs_at_once_the_better_model_becomes_the_champion_though_it_is_slower(runs: Runs) -> None:
    slow = runs.plan(**LOW)
    decided = runs.decided(slow, finished)
    runs.run(runs.plan(**LOW), early)
    late = runs.registered(slow, decided)
    assert late["register_version"]["decided_again"]["champion"] == 1
    assert late["register_version"]["promoted"]
    assert runs.champion() == 2


def test_a_retry_after_the_registration_still_says_that_the_run_promoted_its_version(runs: Runs) -> None:
    runs.run(runs.plan(**LOW), early)
    plan = runs.plan(**LOW)
    decided = runs.decided(plan, finished)
    first, retry = (runs.registered(plan, decided)["register_version"] for _ in range(2))
    assert retry == first
    assert (retry["promoted"], retry["decided_again"]) == (True, None)


@pytest.mark.parametrize("answer", [BY_MARIA, by_deadline(approved=True)], ids=["a person", "the deadline"])
def test_an_approval_is_refused_when_the_champion_has_changed_since_the_request(runs: Runs, answer: Answer) -> None:
    runs.run(runs.plan(**LOW), weak)
    plan = runs.plan(**LOW, promotion="manual")
    waiting = runs.run(plan, early)
    runs.run(runs.plan(**LOW), finished)
    with pytest.raises(ChampionChangedError) as refused:
        runs.answer(plan, waiting, answer)
    message = str(refused.value)
    assert f"{runs.group}, version 2 (" in message
    assert "f1 0.667" in message
    assert "Expected: version 1 as the champion\nFound: version 3 (" in message
    assert "f1 1.000" in message
    assert "Clear the run's task evaluate_champion with all downstream tasks" in message
    assert runs.champion() == 3
    version = SageMakerRegistry(runs.clients.sagemaker).find(runs.group, plan.fingerprint)
    assert version is not None
    assert (version.status, version.decided_by) == ("PendingManualApproval", "")
    assert runs.run(plan, early)["register_version"]["status"] == "Rejected"


def test_a_rejection_needs_neither_the_same_champion_nor_the_imported_model(runs: Runs, aws: Aws) -> None:
    gone = aws.import_model(f"s3://{BUCKET}/whole/", f"gone-{uuid.uuid4().hex[:6]}")
    plan = runs.plan(promotion="manual")
    waiting = runs.run(plan, finished, gone)
    runs.run(runs.plan(), early)
    runs.clients.bedrock.delete_imported_model(modelIdentifier=gone)
    assert runs.answer(plan, waiting, by_deadline(approved=False))["status"] == "Rejected"
    assert runs.champion() == 2


def test_the_deadline_does_not_undo_what_a_person_did_to_the_version_meanwhile(runs: Runs) -> None:
    runs.run(runs.plan(), finished)
    plan = runs.plan(promotion="manual")
    waiting = runs.run(plan, finished)
    runs.roll_back(2)
    assert runs.answer(plan, waiting, by_deadline(approved=False))["status"] == "Approved"
    assert runs.champion() == 2


def test_a_version_whose_imported_model_was_deleted_meanwhile_cannot_be_approved(runs: Runs, aws: Aws) -> None:
    runs.run(runs.plan(), early)
    arn = aws.import_model(f"s3://{BUCKET}/whole/", f"pending-{uuid.uuid4().hex[:6]}")
    plan = runs.plan(promotion="manual")
    waiting = runs.run(plan, finished, arn)
    runs.clients.bedrock.delete_imported_model(modelIdentifier=arn)
    with pytest.raises(
        VersionNotImportedError, match=r"(?s)version 2\nExpected: .*\nFound: it was deleted\nWhat to do: Run import_"
    ):
        runs.answer(plan, waiting, BY_MARIA)
    assert runs.champion() == 1
    assert newest(runs).status == "PendingManualApproval"


def test_a_first_model_without_thresholds_waits_for_a_person_and_says_why(runs: Runs) -> None:
    done = runs.run(runs.plan(evaluation={"dataset": "include/demo/capitals_eval.jsonl"}), lambda *_: False)
    assert done["register_version"]["status"] == "PendingManualApproval"
    assert done["decide_promotion"]["reasons"] == [
        "nothing judges the answers: there is no champion yet, and the model has no thresholds"
    ]
    assert runs.champion() is None


def test_a_version_that_other_software_approved_in_the_group_is_passed_over_and_the_report_says_so(runs: Runs) -> None:
    sagemaker = runs.clients.sagemaker
    sagemaker.create_model_package_group(ModelPackageGroupName=runs.group)
    sagemaker.create_model_package(ModelPackageGroupName=runs.group, ModelApprovalStatus="Approved")
    plan = runs.plan()
    assert measure_champion(plan, runs.evaluated(plan, finished), runs.clients).champion is None
    done = runs.run(plan, finished)
    assert done["register_version"]["promoted"]
    assert "version 1 names no imported model: it was passed over as the champion" in runs.page(plan, done)


def test_a_champion_that_was_rejected_in_studio_is_not_approved_again_by_a_run_of_its_content(runs: Runs) -> None:
    plan = runs.plan()
    first = runs.run(plan, finished)["register_version"]
    runs.clients.sagemaker.update_model_package(
        ModelPackageArn=first["arn"], ModelApprovalStatus="Rejected", ApprovalDescription="toxic answers"
    )
    again = runs.run(plan, finished)
    assert (again["register_version"]["status"], again["register_version"]["promoted"]) == ("Rejected", False)
    reason = "version 1 was changed to Rejected in the registry itself: that stays"
    assert again["decide_promotion"]["reasons"] == [reason]
    assert runs.champion() is None
    runs.roll_back(1)
    assert runs.champion() == 1


def test_a_champion_whose_model_somebody_deleted_is_passed_over_and_a_person_is_asked(runs: Runs, aws: Aws) -> None:
    runs.run(runs.plan(), early)
    gone = aws.import_model(f"s3://{BUCKET}/whole/", f"gone-{uuid.uuid4().hex[:6]}")
    assert runs.run(runs.plan(**EQUAL_IS_ENOUGH), early, gone)["register_version"]["promoted"]
    runs.clients.bedrock.delete_imported_model(modelIdentifier=gone)
    plan = runs.plan()
    done = runs.run(plan, finished)
    assert done["evaluate_champion"]["champion"] == 1
    assert done["register_version"]["status"] == "PendingManualApproval"
    reason = "the imported model of version 2 is gone: it was passed over as the champion"
    assert done["decide_promotion"]["reasons"] == [reason]
    answered = runs.answer(plan, done, BY_MARIA)
    assert (answered["promoted"], answered["champion"]) == (True, 3)


def test_a_model_that_was_deleted_before_its_version_is_registered_is_an_error_with_a_remedy(
    runs: Runs, aws: Aws
) -> None:
    gone = aws.import_model(f"s3://{BUCKET}/whole/", f"gone-{uuid.uuid4().hex[:6]}")
    plan = runs.plan()
    decided = runs.decided(plan, finished, gone)
    runs.clients.bedrock.delete_imported_model(modelIdentifier=gone)
    with pytest.raises(ImportedModelGoneError, match="Clear the run's task create_import_job"):
        runs.registered(plan, decided)


def test_a_roll_back_that_is_repeated_after_a_lost_answer_does_not_go_back_once_more(runs: Runs) -> None:
    for _ in range(3):
        runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    first, again = (runs.roll_back(None, "roll_back_model/manual__1") for _ in range(2))
    assert (first["champion"], again["champion"], again["changed"]) == (2, 2, True)
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)
    assert runs.roll_back(None, "roll_back_model/manual__1")["withdrawn"] == []
    assert runs.champion() == 4
