"""Several suites in one decision: what each may do, and what looking at many of them does not do."""

from __future__ import annotations

import random
from typing import Any

import pytest

from include.config.model import ModelConfig, parse_model_config
from include.config.suites import SuiteEffect
from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.comparison import Comparison, PairedDifference, compare
from include.evaluation.results import PromptSettings, RecordResult
from include.promotion.decision import ChampionMeasured, PromotionDecision, decide_promotion
from include.promotion.findings import gravest_first
from include.promotion.many_looks import Look, shown_worse
from include.promotion.suite_findings import SuiteMeasured, threshold_findings
from tests.support.record_results import record_result

PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=8)
BETTER = ("x" * 200, "x" * 100 + "." * 100)


def _config(effect: SuiteEffect, **of_suite: Any) -> ModelConfig:
    suites = [
        {"name": "task", "dataset": "d", "thresholds": {"f1": 0.5}},
        {"name": "general", "dataset": "g", "effect": effect} | of_suite,
    ]
    return parse_model_config({"model_name": "m", "base": "b", "evaluations": suites}, "a test")


def _answers(right: str) -> list[RecordResult]:
    return [record_result(index, "Lima" if sign == "x" else "wrong") for index, sign in enumerate(right)]


def _compared(candidate: str, champion: str) -> Comparison:
    return compare(_answers(candidate), _answers(champion), ["f1"], margin=0.02, category_margin=0.1, seed=0)


def _measured(config: ModelConfig, number: int, candidate: str, champion: str | None) -> SuiteMeasured:
    results = _answers(candidate)
    on = MeasuredOn("arn", "d", "digest", len(results), 0, "c", PROMPT, 1, "s3://b/r")
    comparison = None if champion is None else _compared(candidate, champion)
    report = build_report(on, results, 1.0)
    return SuiteMeasured(suite=config.suites[number], report=report, comparison=comparison, why_not="its model is gone")


def _decide(
    config: ModelConfig, general: tuple[str, str | None], task: tuple[str, str] = BETTER, *, first: bool = False
) -> PromotionDecision:
    main, other = _measured(config, 0, *task), _measured(config, 1, *general)
    champion = None if first else ChampionMeasured(number=3, fingerprint="old", comparison=main.comparison)
    return decide_promotion(config, "new", main.report, champion, others=[other])


@pytest.mark.parametrize(
    ("effect", "status"), [("blocks", "Rejected"), ("decides", "Rejected"), ("informs", "Approved")]
)
def test_a_model_that_gained_on_its_task_and_lost_on_another_suite_is_blocked_by_it(
    effect: SuiteEffect, status: str
) -> None:
    decision = _decide(_config(effect), ("x" * 60 + "." * 60, "x" * 120))
    assert decision.status == status
    [lost] = [finding for finding in decision.findings if finding.reason.startswith("suite 'general': f1 differs")]
    assert lost.effect == {"Rejected": "blocks", "Approved": "informs"}[status]
    assert lost.reason.endswith("worse beyond the margin of 0.020")


@pytest.mark.parametrize(("effect", "status"), [("blocks", "Approved"), ("decides", "PendingManualApproval")])
def test_a_suite_that_blocks_need_not_show_what_one_that_decides_has_to_show(effect: SuiteEffect, status: str) -> None:
    assert _decide(_config(effect), ("x" * 30, "x" * 30)).status == status


@pytest.mark.parametrize("effect", ["blocks", "decides"])
def test_a_suite_that_looks_worse_on_too_few_records_asks_a_person(effect: SuiteEffect) -> None:
    decision = _decide(_config(effect), ("x" * 28 + "..", "x" * 30))
    assert decision.status == "PendingManualApproval"
    assert decision.reasons[0].startswith("suite 'general': f1 differs from champion version 3 by -0.067")


def test_a_threshold_of_a_score_that_a_stored_evaluation_is_too_old_for_asks_a_person() -> None:
    config = _config("blocks", thresholds={"f1": 0.1}, category_thresholds={"South": {"f1": 0.1}})
    results = [record_result(index, "Lima", category="South") for index in range(4)]
    older = [it.model_copy(update={"scores": {"recall": it.scores["recall"]}}) for it in results]
    report = build_report(MeasuredOn("arn", "d", "digest", 4, 0, "c", PROMPT, 1, "s3://b/r"), older, 1.0)
    found = list(threshold_findings(SuiteMeasured(suite=config.suites[1], report=report)))
    assert [finding.effect for finding in found] == ["asks", "asks"]
    assert found[0].reason == (
        "suite 'general': f1 has a threshold, but the stored evaluation is older than this metric: clear the run from "
        "its evaluation on"
    )
    assert found[1].reason.startswith("suite 'general': f1 in category 'South' has a threshold, but")


@pytest.mark.parametrize(
    ("effect", "status"), [("blocks", "Rejected"), ("decides", "Rejected"), ("informs", "Approved")]
)
def test_a_threshold_of_a_suite_holds_for_a_first_version_too(effect: SuiteEffect, status: str) -> None:
    decision = _decide(_config(effect, thresholds={"f1": 0.9}), ("x" * 5 + "." * 5, None), first=True)
    assert decision.status == status
    assert any(it.reason == "suite 'general': f1 0.500 is below the threshold 0.900" for it in decision.findings)


def test_a_suite_in_which_the_champion_could_not_be_asked_asks_a_person() -> None:
    decision = _decide(_config("blocks"), ("x" * 30, None))
    assert decision.status == "PendingManualApproval"
    assert "suite 'general': champion version 3 could not be asked" in decision.reasons[0]


def test_what_blocks_is_shown_first() -> None:
    decision = _decide(_config("blocks"), ("x" * 60 + "." * 60, "x" * 120))
    assert [finding.effect for finding in gravest_first(decision.findings)][:2] == ["blocks", "passes"]


def _looks_like(p_value: float) -> Comparison:
    difference = PairedDifference(
        value=-0.1, low=-0.2, high=0.0, records=80, margin=0.1, worse_share=1 - p_value, not_worse_share=p_value
    )
    return Comparison(overall={"f1": difference}, categories={}, fixed=(), broken=())


def test_many_suites_that_are_just_as_good_are_rarely_taken_for_worse_by_one_of_them() -> None:
    """Without a correction, one of 20 equally good suites looks worse in 40 % of the cases."""
    chance, uncorrected, corrected = random.Random(5), 0, 0
    for _ in range(400):
        p_values = [chance.random() for _ in range(20)]
        uncorrected += min(p_values) <= 0.025
        corrected += bool(shown_worse({str(number): _looks_like(p_value) for number, p_value in enumerate(p_values)}))
    assert uncorrected / 400 > 0.3
    assert corrected / 400 < 0.05


def test_holms_steps_are_those_of_his_procedure() -> None:
    looks = {name: _looks_like(p_value) for name, p_value in {"a": 0.005, "b": 0.013, "c": 0.02, "d": 0.03}.items()}
    assert {look.suite for look in shown_worse(looks)} == {"a"}  # 0.005 <= 0.025 / 4, but 0.013 > 0.025 / 3
    looks["b"] = _looks_like(0.008)
    assert {look.suite for look in shown_worse(looks)} == {"a", "b"}


def test_a_suite_that_is_clearly_worse_is_found_among_many() -> None:
    comparisons = {str(number): _compared("x" * 60, "x" * 60) for number in range(20)}
    comparisons["general"] = _compared("x" * 30 + "." * 30, "x" * 60)
    assert shown_worse(comparisons) == {Look("general", None, "f1")}
