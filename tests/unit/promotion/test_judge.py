"""What a judge may do to a promotion: show what it prefers, or have a person asked; nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from include.evaluation.comparison import compare
from include.judging.results import JudgeReport, Preferred
from include.promotion.decision import ChampionMeasured, PromotionDecision, decide_promotion
from tests.support.judge_reports import first, report_of
from tests.support.judging import MODEL
from tests.support.pages import answers, config, measured

FINISHED, EARLY = answers(lambda *_: True, 0.2), answers(lambda index, _: index % 3 > 0, 0.2)


def decided(
    judged: JudgeReport, effect: str, *, lost: bool = False, margin: float = 0.05, **changes: Any
) -> PromotionDecision:
    rules = config(judge={"model": MODEL, "effect": effect}, comparison={"margin": margin}, **changes)
    candidate = EARLY if lost else FINISHED
    comparison = compare(candidate, FINISHED, ["f1"], margin=margin, category_margin=0.1, seed=0)
    champion = ChampionMeasured(number=3, fingerprint="old", comparison=comparison)
    return decide_promotion(rules, "new", measured("", candidate).report, champion, judged=[judged])


def prefers(whose: Preferred) -> JudgeReport:
    return report_of(lambda *_: whose)


@pytest.mark.parametrize("effect", ["informs", "asks"])
def test_a_judge_that_prefers_the_candidate_changes_no_status(effect: str) -> None:
    likes = prefers("candidate")
    assert decided(likes, effect).status == "Approved"
    assert decided(likes, effect, lost=True).status == "Rejected"
    assert decided(likes, effect, margin=0.02).status == "PendingManualApproval"  # too few records for this margin
    assert decided(likes, effect, promotion="manual").status == "PendingManualApproval"
    assert decided(likes, effect, promotion="never").status == "Rejected"


@pytest.mark.parametrize(("effect", "status"), [("informs", "Approved"), ("asks", "PendingManualApproval")])
def test_a_judge_that_prefers_the_champion_asks_a_person_if_its_effect_is_to_ask(effect: str, status: str) -> None:
    decision = decided(prefers("champion"), effect)
    assert decision.status == status
    reason = "the judge j prefers champion version 3: 0 won, 60 lost, 0 tied, wins minus losses -1.000"
    assert any(finding.reason.startswith(reason) for finding in decision.findings)


def test_a_judge_without_readable_verdicts_asks_a_person_too() -> None:
    decision = decided(report_of(lambda *_: None), "asks")
    assert decision.status == "PendingManualApproval"
    assert decision.reasons == ("the judge j gave no verdict on 60 of 60 records that it was asked about",)
    assert decided(report_of(lambda *_: None), "informs").status == "Approved"


def test_a_biased_judge_is_named_and_asks_nothing() -> None:
    decision = decided(report_of(lambda _, is_first, __: first(is_first)), "asks")
    assert decision.status == "Approved"
    [bias] = [finding for finding in decision.findings if "favours" in finding.reason]
    assert bias.effect == "informs"
    assert bias.reason.startswith("the judge j favours the answer that is shown first (+1.000 [")


def test_a_judge_without_two_answers_to_compare_says_so_and_asks_nothing() -> None:
    decision = decided(report_of(lambda *_: "tie", records=0), "asks")
    assert decision.status == "Approved"
    assert "the judge j had no two answers to compare" in [finding.reason for finding in decision.findings]
