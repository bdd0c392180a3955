"""A person's marks of single answers: from the approval to S3, report and registry, and into the next request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.evaluation.answer_marks import MarksInvalidError, parse_marks, read_marks
from include.registry.errors import ChampionChangedError
from include.registry.sagemaker import SageMakerRegistry, metadata_value
from include.run.plan import ImportPlan
from include.steps.approval_request import approval_request
from include.steps.results import Answer, DecisionResult, EvaluationResult
from tests.support.promotion_runs import EQUAL_IS_ENOUGH, Runs, early, finished

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def answer(text: str, by: str = "ann", approved: bool = True, later: int = 0) -> Answer:
    at = NOW + timedelta(minutes=later)
    return Answer(approved=approved, by=by, at=at, comment="as discussed", marks=parse_marks(text, 120))


def asked(runs: Runs, **changes: Any) -> tuple[ImportPlan, dict[str, Any]]:
    """A run that waits for a person; every third answer is wrong."""
    plan = runs.plan(promotion="manual", **changes)
    return plan, runs.run(plan, early)


def evaluation_of(done: dict[str, Any]) -> EvaluationResult:
    return EvaluationResult.model_validate(done["evaluate_model"])


def test_marks_are_kept_beside_the_evaluation_and_shown_in_report_registry_and_the_next_request(runs: Runs) -> None:
    plan, done = asked(runs)
    given = answer("1 wrong: it is <b>Lima</b>\n2 right\n7 wrong")
    answered = runs.answer(plan, done, given)
    stored = read_marks(runs.clients.s3, evaluation_of(done)).marks
    assert [(one.record_id, one.number, one.answer, one.mark, one.note) for one in stored] == [
        ("r0", 1, "Quito", "wrong", "it is <b>Lima</b>"),
        ("r1", 2, "Lima", "right", ""),
        ("r6", 7, "Quito", "wrong", ""),
    ]
    assert {(one.by, one.at) for one in stored} == {("ann", NOW)}

    counted = "approved by ann, 2026-11-28 12:00 UTC, answers marked 2 wrong, 1 right: as discussed"
    version = SageMakerRegistry(runs.clients.sagemaker).find(runs.group, plan.fingerprint)
    assert version
    assert (version.status, version.reason) == ("Approved", counted)
    assert version.metadata["decision"] == metadata_value(counted)

    page = runs.page(plan, done | {"record_answer": answered})
    assert counted in page
    assert "<h3>Marked by people: 3</h3>" in page
    assert "marked wrong by ann: it is &lt;b&gt;Lima&lt;/b&gt;" in page
    assert '<small class="quiet">#7</small> <b>question 6</b>' in page

    decision = DecisionResult.model_validate(done["decide_promotion"])
    body = approval_request(plan, decision, evaluation_of(done), 1, "https://report", stored).body
    assert "Before: answers marked 2 wrong, 1 right." in body


def test_a_report_without_marks_numbers_the_answers_and_has_no_section_about_marks(runs: Runs) -> None:
    plan, done = asked(runs)
    page = runs.page(plan, done)
    assert '<small class="quiet">#1</small> <b>question 0</b>' in page
    assert "Marked by people" not in page


def test_a_later_mark_of_an_answer_replaces_the_earlier_one_and_the_others_stay(runs: Runs) -> None:
    plan, done = asked(runs)
    runs.answer(plan, done, answer("1 wrong\n2 unsure", approved=False))
    runs.answer(plan, done, answer("2 right: checked", by="bob", later=5))
    runs.answer(plan, done, answer("2 right: checked", by="bob", later=5))  # a retry of the task
    stored = read_marks(runs.clients.s3, evaluation_of(done)).marks
    assert [(one.number, one.mark, one.by) for one in stored] == [(1, "wrong", "ann"), (2, "right", "bob")]


def test_marks_stay_when_the_approval_no_longer_counts(runs: Runs, aws: Any) -> None:
    plan, done = asked(runs)
    runs.run(runs.plan(**EQUAL_IS_ENOUGH), finished)  # another version becomes the champion meanwhile
    with pytest.raises(ChampionChangedError):
        runs.answer(plan, done, answer("1 wrong"))
    assert [one.number for one in read_marks(runs.clients.s3, evaluation_of(done)).marks] == [1]


def test_a_mark_of_a_record_that_was_not_asked_changes_nothing(runs: Runs) -> None:
    plan, done = asked(runs)
    with pytest.raises(MarksInvalidError, match="record 500 was not asked"):
        runs.answer(plan, done, answer("1 wrong").model_copy(update={"marks": parse_marks("500 wrong", 500)}))
    assert read_marks(runs.clients.s3, evaluation_of(done)).marks == ()
    version = SageMakerRegistry(runs.clients.sagemaker).find(runs.group, plan.fingerprint)
    assert version
    assert version.status == "PendingManualApproval"
