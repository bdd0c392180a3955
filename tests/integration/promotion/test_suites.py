"""A second suite from the evaluation to the report: what blocks a promotion is the first thing that people read."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from include.config.model import ModelConfig
from include.evaluation.storage import EvaluationPlace, store
from include.registry.sagemaker import SageMakerRegistry
from include.run.plan import ImportPlan
from include.steps.approval_request import approval_request
from include.steps.decide import decide, measure_champion
from include.steps.evaluate import measure
from include.steps.results import Answer, ChampionResult, EvaluationResult
from include.steps.score_card import score_cards
from include.steps.stored_evaluations import stored_report
from tests.support.bedrock_stand_in import Aws
from tests.support.pages import Right, answers, measured
from tests.support.promotion_runs import Runs, early, finished

BY_MARIA = Answer(approved=True, by="Maria", at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
DATASET = "include/demo/capitals_eval.jsonl"
SUITES = [
    {"name": "task", "dataset": DATASET, "thresholds": {"f1": 0.5}},
    {"name": "general", "effect": "blocks", "dataset": DATASET, "metrics": ["quasi_exact_match"]},
]


@pytest.fixture
def plan(runs: Runs) -> ImportPlan:
    whole = runs.plan()
    return whole.model_copy(update={"config": _with_suites(whole)})


def _with_suites(plan: ImportPlan) -> ModelConfig:
    values = plan.config.model_dump(exclude_unset=True, exclude={"evaluation"}) | {"evaluations": SUITES}
    return ModelConfig.model_validate(values)


def _suite(runs: Runs, plan: ImportPlan, place: str, right: Right) -> EvaluationResult:
    results = answers(right, 0.2)
    where = EvaluationPlace(plan.bucket, f"{plan.evaluation_prefix}/{place}")
    report = measured("", results).report.model_copy(update={"records_uri": where.records_uri})
    store(runs.clients.s3, where, report, results)
    return EvaluationResult.of(report, where.report_uri, "general")


def test_what_was_lost_on_another_suite_is_the_first_reason_in_report_and_approval_request(
    runs: Runs, plan: ImportPlan
) -> None:
    runs.run(runs.plan(), early)
    lost = _suite(runs, plan, "candidate", early)
    evaluation = runs.evaluated(plan, finished).model_copy(update={"others": (lost,)})
    champion_uri = _suite(runs, plan, "champion", finished).report_uri
    found = measure_champion(runs.plan(), evaluation, runs.clients)
    champion = found.model_copy(update={"other_uris": {"general": champion_uri}})

    decision = decide(plan, evaluation, champion, runs.clients)
    assert decision.status == "Rejected"
    assert re.fullmatch(
        r"suite 'general': quasi_exact_match differs from champion version 1 by -0.333 .*: worse beyond .*",
        decision.reasons[0],
    )

    done = runs.decided(runs.plan(), finished)
    kept = {"evaluate_model": evaluation, "evaluate_champion": champion, "decide_promotion": decision}
    done = runs.registered(plan, done | {name: result.model_dump(mode="json") for name, result in kept.items()})
    page = runs.page(plan, done)
    first = page[page.index('<ul class="findings">') :].partition("</li>")[0]
    assert "✗ blocks</b><span>suite &#39;general&#39;" in first
    assert "<h2>Suite general</h2>" in page
    assert "It can block the promotion. 120 records: 120 answered." in page
    assert "Suite task: 120 records in 12 s" in page
    assert "Suite general: 120 records in 12 s" in page
    assert "120 records are few for the comparison.margin of 0.020" in page

    body = approval_request(plan, decision, evaluation, 2, "https://report").body
    assert body.split("- **")[1].startswith("✗ blocks**: suite 'general': quasi\\_exact\\_match differs")
    assert "**Suite general**" in body
    assert body.count("| metric | champion (version 1) | this version | 95 % interval |") == 2
    cards = list(score_cards(decision, evaluation))
    assert [card.suite for card in cards[1:]] == ["general"]
    for card, uri in zip(cards, (decision.champion_report_uri, decision.suites[0].champion_report_uri), strict=True):
        scores = stored_report(runs.clients.s3, uri).scores
        assert {row.metric: row.champion for row in card.rows} == scores
        assert f"  f1: {card.rows[2].value:.3f} (95 % interval" in card.text()
        assert f"champion version 1: {scores['f1']:.3f}" in card.text()
        assert f"| f1 | {scores['f1']:.3f} | {card.rows[2].value:.3f} |" in body
    assert "Without a person it takes 183 records, or a margin of 0.031" in body.replace("\\", "")


def test_a_suite_that_the_champion_has_not_answered_leaves_the_decision_to_a_person(
    runs: Runs, plan: ImportPlan
) -> None:
    runs.run(runs.plan(), early)
    evaluation = runs.evaluated(plan, finished)
    evaluation = evaluation.model_copy(update={"others": (_suite(runs, plan, "candidate", finished),)})
    found = measure_champion(runs.plan(), evaluation, runs.clients)
    decision = decide(plan, evaluation, ChampionResult.model_validate_json(found.model_dump_json()), runs.clients)
    assert decision.status == "PendingManualApproval"
    assert "suite 'general': champion version 1 could not be asked" in decision.reasons[0]


def test_the_champions_stored_answers_are_scored_again_when_the_suite_names_other_metrics(
    runs: Runs, aws: Aws, own_arn: str
) -> None:
    asked = {"dataset": DATASET, "prompt_template": "{question}", "max_tokens": 4, "sample": 5}
    own = {"length": {"most": 40, "as": "brief"}}
    first = runs.plan(evaluation=asked, promotion="manual")
    done = runs.decided(first, finished)
    done["evaluate_model"] = measure(first, runs.model_arn, runs.clients).model_dump(mode="json")
    runs.answer(first, runs.registered(first, done), BY_MARIA)
    assert runs.champion() == 1

    plan = runs.plan(evaluation=asked | {"metrics": ["answer_rate", own], "thresholds": {"brief": 0.5}})
    evaluation = measure(plan, own_arn, runs.clients)
    aws.script("fixed-answer", text="Nowhere")
    try:
        champion = measure_champion(plan, evaluation, runs.clients)
    finally:
        aws.script("clear-faults")
    assert "its answers were scored again" in champion.summary
    decision = decide(plan, evaluation, champion, runs.clients)
    assert [finding.reason.split(" differs")[0] for finding in decision.findings if "differs" in finding.reason] == [
        "answer_rate",
        "brief",
    ]
    results = {"evaluate_champion": champion, "decide_promotion": decision, "evaluate_model": evaluation}
    done |= {name: result.model_dump(mode="json") for name, result in results.items()}
    done["wait_for_import"] |= {"imported_model_arn": own_arn}
    done = runs.registered(plan, done)
    assert '<th scope="row">brief</th>' in runs.page(plan, done)
    [version] = list(SageMakerRegistry(runs.clients.sagemaker).versions(runs.group))[:1]
    assert version.scores["brief"] == evaluation.scores["brief"]
    assert "| brief |" in approval_request(plan, decision, evaluation, 2, "https://report").body
