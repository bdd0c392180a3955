"""What the steps return is plain JSON in XCom, and what comes back from there is the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from include.evaluation.answer_marks import AnswerMark
from include.promotion.findings import Finding
from include.steps import evaluation_job_results, results, training_results
from include.steps.evaluation_job_results import EvaluationJobResult, StartedEvaluationJob
from include.steps.results import (
    Answer,
    AnswerResult,
    CanaryResult,
    ChampionResult,
    DecisionResult,
    DeliveryResult,
    EvaluationResult,
    FailureResult,
    ImportResult,
    JudgedSuite,
    JudgeResult,
    MergeResult,
    MetricsResult,
    NeededResult,
    PreparedResult,
    PromotionResult,
    PublicationResult,
    RegistrationResult,
    ReportResult,
    Slots,
    StartedImportResult,
    SuiteReports,
    UnchangedResult,
    VersionResult,
    WarmUpResult,
)
from include.steps.training_results import HandOverResult, StartedTrainingResult, TrainingDataResult
from tests.support.pages import answers, measured

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SLOTS = Slots(quota=3, free=1, imported=("capitals-0123456789ab",))
DECISION = DecisionResult(
    status="Rejected",
    findings=(
        Finding(effect="passes", reason="f1 is fine"),
        Finding(effect="blocks", reason="f1 in Oceania is not"),
    ),
    champion=2,
    champion_report_uri="s3://bucket/evaluations/champion.json",
    comparison_uri="s3://bucket/evaluations/candidate.against-0123456789ab.json",
)
JUDGED = JudgedSuite(suite="evaluation", report_uri="s3://bucket/r.judged-0.json")
SUITE = SuiteReports(
    suite="general",
    effect="blocks",
    report_uri="s3://bucket/evaluations/general.json",
    champion_report_uri="s3://bucket/evaluations/champion-general.json",
)
VERSION: dict[str, Any] = {
    "version": 3,
    "arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/capitals/3",
    "status": "Approved",
    "imported_model_arn": "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    "champion": 3,
    "promoted": True,
}

UNCHANGED = UnchangedResult(
    version=3,
    status="Approved",
    s3_uri="s3://bucket/checkpoint/",
    job_arn="arn",
    imported_model_arn="arn",
    report_html_uri="s3://bucket/report.html",
    scores={"f1": 0.5},
)


def evaluation() -> EvaluationResult:
    report = measured("this version", answers(lambda index, _: index % 3 > 0, 0.2)).report
    return EvaluationResult.of(report, "s3://bucket/evaluations/candidate.json")


RESULTS: tuple[BaseModel, ...] = (
    PreparedResult(changed=True, bytes=7, notes=("dtype rounded",)),
    MergeResult(bytes=7, proof={"changed_tensors": 2, "largest_deviation": 0.25}),
    UNCHANGED,
    NeededResult(needed=False, reason="all is there", unchanged=UNCHANGED),
    DeliveryResult(s3_uri="s3://bucket/checkpoint/", files=2, bytes_sent=7, seconds=0.1),
    StartedImportResult(job_arn="arn", job_name="capitals", imported_model_name="capitals", adopted=False),
    ImportResult(imported_model_arn="arn", imported_model_name="capitals", job_arn="arn", seconds=1.5),
    WarmUpResult(cold_start_seconds=2.5, answer=None, body_format=None, converse=False),
    evaluation(),
    evaluation().model_copy(update={"others": (evaluation().model_copy(update={"suite": "general"}),)}),
    ChampionResult(champion=2, summary="asked", fingerprint="f", landed_at=NOON, report_uri="s3://bucket/r.json"),
    ChampionResult(champion=None, summary="there is no champion yet"),
    JUDGED,
    JudgeResult(summary="the judge has compared the answers", suites=(JUDGED,)),
    DECISION,
    DECISION.model_copy(update={"suites": (SUITE,)}),
    SUITE,
    VersionResult(**VERSION),
    RegistrationResult(**VERSION, cost="1 unit", report_uri="s3://bucket/r.json", decided_again=DECISION),
    Answer(approved=True, by="Maria", at=NOON, comment="looks right", marks=(AnswerMark(number=1, mark="wrong"),)),
    StartedEvaluationJob(job_arn="arn", job_name="capitals-1", scores_uri="s3://bucket/r.json", adopted=True),
    EvaluationJobResult(scores_uri="s3://bucket/r.json", summary="scores 9 answers"),
    AnswerResult(**VERSION, reason="approved by Maria"),
    ReportResult(report_html_uri="s3://bucket/report.html", bytes=7),
    FailureResult(model_name="capitals", reason="ValueError: no base", next_step="Clear preflight."),
    PromotionResult(model_name="capitals", version=3, imported_model_arn="arn", fingerprint="f"),
    PublicationResult(
        parameter="/model-import/capitals/champion",
        version=3,
        imported_model_arn="arn",
        changed=True,
        canary_until=datetime(2026, 11, 28, 12, 30, tzinfo=UTC),
    ),
    CanaryResult(version=3, calls="0 of 9 calls failed", next_look=datetime(2026, 11, 28, 12, 1, tzinfo=UTC)),
    TrainingDataResult(data_report_uri="s3://b/r.json", data_digest="d", examples=2, tokens=9, request={"a": ["b"]}),
    StartedTrainingResult(job_arn="arn", job_name="capitals-ft-1", attempt=1, adopted=False),
    HandOverResult(artifact="sagemaker:training-job/capitals-ft-1", asset="fine-tunes-of-capitals"),
    SLOTS,
    MetricsResult(metrics={"F1": 0.5}, slots=SLOTS),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_comes_back_from_xcom_as_it_was(result: BaseModel) -> None:
    stored = json.dumps(result.model_dump(mode="json"))
    assert type(result).model_validate(json.loads(stored)) == result
    assert len(stored) < 48_000  # larger values do not fit every metadata database and make the UI slow


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_is_not_changed_after_it_was_made(result: BaseModel) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(result, next(iter(type(result).model_fields)), None)


def test_every_result_is_among_those_that_come_back_as_they_were() -> None:
    modules = (evaluation_job_results, results, training_results)
    classes = [(module, item) for module in modules for item in vars(module).values() if isinstance(item, type)]
    public = [(module, item) for module, item in classes if not item.__name__.startswith("_")]
    made_here = {item for module, item in public if item.__module__ == module.__name__}
    assert made_here == {type(result) for result in RESULTS}


def test_xcom_shows_the_scores_the_way_of_asking_and_the_reasons() -> None:
    shown = evaluation().model_dump(mode="json")
    assert shown["scores"]["f1"] == shown["metrics"]["f1"]["value"]
    assert shown["body_format"] == "OpenAICompletion"
    assert DECISION.model_dump(mode="json")["reasons"] == ["f1 in Oceania is not"]


def test_a_decision_of_a_run_from_before_an_upgrade_is_read() -> None:
    earlier = {
        "status": "PendingManualApproval",
        "findings": [{"effect": "asks", "reason": "promotion is set to manual"}],
        "reasons": ["promotion is set to manual"],
        "champion": 1,
        "champion_report_uri": "s3://bucket/r.json",
    }
    decision = DecisionResult.model_validate(earlier)
    assert (decision.reasons, decision.comparison_uri) == (("promotion is set to manual",), "")
