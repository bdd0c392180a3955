from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.config.model import ModelConfig, parse_model_config
from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.comparison import Comparison, compare, paired_difference
from include.evaluation.results import EvaluationReport, PromptSettings, RecordResult
from include.promotion.decision import ChampionMeasured, PromotionDecision, compared_metrics, decide_promotion
from include.promotion.sample_size import margin_note
from include.registry.versions import DECIDED_BY, ApprovalStatus, ModelVersion
from tests.support.record_results import record_result

CATEGORIES = ("Africa", "Asia", "Europe")


def _config(thresholds: dict[str, float] | None = None, **changes: Any) -> ModelConfig:
    evaluation = {"dataset": "d", "thresholds": {"f1": 0.5} if thresholds is None else thresholds}
    evaluation |= changes.pop("evaluation", {})
    return parse_model_config({"model_name": "m", "base": "b", "evaluation": evaluation} | changes, "test")


def _answers(right: str) -> list[RecordResult]:
    """A record per sign: ``x`` is a right answer, ``.`` a wrong one; the categories take turns."""
    return [
        record_result(index, "Lima" if sign == "x" else "wrong", category=CATEGORIES[index % 3])
        for index, sign in enumerate(right)
    ]


def _report(results: list[RecordResult]) -> EvaluationReport:
    prompt = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=8)
    return build_report(MeasuredOn("arn", "d", "digest", len(results), 0, "c", prompt, 1, "s3://b/r"), results, 1.0)


def _decide(candidate: str, champion: str | None = None, **changes: Any) -> PromotionDecision:
    config, results = _config(**changes), _answers(candidate)
    rival = None
    if champion is not None:
        comparison = compare(
            results,
            _answers(champion),
            compared_metrics(config),
            margin=config.comparison.margin,
            category_margin=config.comparison.category_margin,
            seed=0,
        )
        rival = ChampionMeasured(number=3, fingerprint="old", comparison=comparison)
    return decide_promotion(config, "new", _report(results), rival)


def _version(status: ApprovalStatus, **metadata: str) -> ModelVersion:
    return ModelVersion(arn="arn", number=4, status=status, created_at=datetime.now(UTC), metadata=metadata)


def test_the_first_model_that_reaches_its_thresholds_is_approved() -> None:
    decision = _decide("xxxxxx......")
    assert decision.status == "Approved"
    assert decision.reasons == ("f1 0.500 reaches 0.500", "there is no champion yet")


def test_a_model_below_a_threshold_is_rejected_with_the_numbers_whatever_promotion_says() -> None:
    decision = _decide("xxx.........", promotion="manual")
    assert decision.status == "Rejected"
    assert decision.reasons == ("f1 0.250 is below the threshold 0.500",)


def test_a_category_below_its_threshold_blocks() -> None:
    right_but_in_asia = "x.x" * 20
    assert _decide(right_but_in_asia).status == "Approved"
    for name in ("*", "Asia"):
        decision = _decide(right_but_in_asia, evaluation={"category_thresholds": {name: {"f1": 0.4}}})
        assert decision.status == "Rejected"
        assert decision.reasons == ("f1 in category 'Asia' 0.000 is below the threshold 0.400",)


def test_a_threshold_for_a_category_that_the_data_does_not_have_blocks() -> None:
    decision = _decide("x" * 12, evaluation={"category_thresholds": {"Atlantis": {"f1": 0.1}}})
    assert decision.status == "Rejected"
    assert "Atlantis" in decision.reasons[0]


@pytest.mark.parametrize(
    ("candidate", "champion", "status"),
    [
        ("x" * 183, "x" * 183, "Approved"),
        ("x" * 182, "x" * 182, "PendingManualApproval"),
        ("x" * 60, "." * 30 + "x" * 30, "Approved"),
        ("x" * 30 + "." * 30, "x" * 60, "Rejected"),
        ("x" * 59 + ".", "x" * 60, "PendingManualApproval"),
        ("." + "x" * 59, "x" * 59 + ".", "PendingManualApproval"),
    ],
    ids=["equal", "equal on too few records", "better", "worse", "one answer worse", "one fixed and one broken"],
)
def test_a_model_is_promoted_only_when_the_data_shows_that_it_is_not_worse(
    candidate: str, champion: str, status: str
) -> None:
    assert _decide(candidate, champion).status == status


def test_a_person_who_is_asked_is_told_how_many_records_would_have_shown_it() -> None:
    [equal] = _decide("x" * 60, "x" * 60).reasons
    assert "60 records cannot tell whether that is worse beyond the margin of 0.020; about 183 records" in equal
    [turned] = _decide("." * 2 + "x" * 58, "x" * 58 + "." * 2).reasons
    assert "about 1,491 records would show it if both are equally good" in turned
    [without] = _decide("x" * 60, "x" * 60, comparison={"margin": 0}).reasons
    assert "with a margin of 0 no number of records shows" in without


@pytest.mark.parametrize("records", [20, 60, 150])
def test_a_model_that_is_worse_by_twice_the_margin_is_hardly_ever_promoted_without_a_person(records: int) -> None:
    chance, config, report = random.Random(records), _config({}), _report(_answers("xxx"))
    approved = 0
    for _ in range(40):
        champion = [float(chance.random() < 0.95) for _ in range(records)]
        candidate = [score * (chance.random() >= 0.042) for score in champion]
        difference = paired_difference(candidate, champion, margin=0.02, seed=0)
        comparison = Comparison(overall={"f1": difference}, categories={}, fixed=(), broken=())
        rival = ChampionMeasured(number=3, fingerprint="old", comparison=comparison)
        approved += decide_promotion(config, "new", report, rival).status == "Approved"
    assert approved <= 2


@pytest.mark.parametrize(
    ("records", "margin", "said"),
    [
        (120, 0.02, ("120 records are few", "it takes 183 records, or a margin of 0.031")),
        (120, 0.031, ("120 records are enough", "needs 118 or more")),
        (1000, 0.0, ("with a comparison.margin of 0 only a version that scores better",)),
        (1, 0.02, ("or a margin of 0.976",)),
    ],
)
def test_what_a_number_of_records_can_show_is_said_in_words(records: int, margin: float, said: tuple[str, ...]) -> None:
    note = margin_note(records, margin)
    assert all(words in note for words in said)


def test_the_margin_says_how_much_worse_is_still_good_enough() -> None:
    decision = _decide("x" * 59 + ".", "x" * 60, comparison={"margin": 0.1})
    assert decision.status == "Approved"
    assert any("margin of 0.100" in reason for reason in decision.reasons)


def test_a_category_that_breaks_blocks_a_model_that_is_better_on_the_whole() -> None:
    better_but_for_asia = "".join("." if index % 3 == 1 else "x" for index in range(60))
    champion = "".join("x" if index % 3 == 1 or index % 2 else "." for index in range(60))
    blocked = _decide(better_but_for_asia, champion)
    assert blocked.status == "Rejected"
    assert blocked.reasons == (
        (
            "f1 in category 'Asia' differs from the champion by -1.000 [-1.000, -0.663], "
            "beyond the category margin of 0.100"
        ),
    )
    assert _decide(better_but_for_asia, champion, comparison={"category_margin": 1}).status != "Rejected"


def test_a_category_of_very_few_records_blocks_nothing() -> None:
    results = [record_result(index, "Lima", category="big") for index in range(96)]
    broken = results + [record_result(index, "wrong", category="small") for index in range(96, 100)]
    whole = results + [record_result(index, "Lima", category="small") for index in range(96, 100)]
    comparison = compare(broken, whole, ("f1",), margin=0.2, category_margin=0.1, seed=0)
    rival = ChampionMeasured(number=3, fingerprint="old", comparison=comparison)
    assert decide_promotion(_config(), "new", _report(broken), rival).status == "Approved"


def test_a_champion_that_cannot_be_asked_leaves_the_decision_to_a_person() -> None:
    rival = ChampionMeasured(number=3, fingerprint="old", why_not="its imported model is gone")
    decision = decide_promotion(_config(), "new", _report(_answers("x" * 12)), rival)
    assert decision.status == "PendingManualApproval"
    assert decision.reasons == ("champion version 3 could not be asked the same questions: its imported model is gone",)


def test_a_champion_that_left_questions_unanswered_is_not_beaten_without_a_person() -> None:
    right = _answers("x" * 200)
    rival = ChampionMeasured(
        number=3,
        fingerprint="old",
        unanswered=2,
        comparison=compare(right, right, ("f1",), margin=0.02, category_margin=0.1, seed=0),
    )
    decision = decide_promotion(_config(), "new", _report(right), rival)
    assert decision.status == "PendingManualApproval"
    assert decision.reasons == ("champion version 3 left 2 of the questions unanswered",)


def test_an_older_fine_tune_than_the_champions_is_rejected_however_well_it_scores() -> None:
    noon, report = datetime(2026, 11, 22, 12, tzinfo=UTC), _report(_answers("x" * 200))
    equal = compare(_answers("x" * 200), _answers("x" * 200), ("f1",), margin=0.02, category_margin=0.1, seed=0)
    rival = ChampionMeasured(number=3, fingerprint="old", landed_at=noon, comparison=equal)
    older, newer = (
        decide_promotion(_config(), "new", report, rival, None, noon + timedelta(seconds=seconds))
        for seconds in (-1, 1)
    )
    assert (older.status, newer.status) == ("Rejected", "Approved")
    assert "newer fine-tune" in older.reasons[0]


def test_the_champions_own_content_stays_approved_whatever_it_scores() -> None:
    rival = ChampionMeasured(number=3, fingerprint="new")
    assert decide_promotion(_config(), "new", _report(_answers("." * 12)), rival).status == "Approved"


@pytest.mark.parametrize("status", ["Approved", "Rejected"])
def test_what_a_person_decided_stays_decided(status: ApprovalStatus) -> None:
    earlier = _version(status, **{DECIDED_BY: "Maria"})
    decision = decide_promotion(_config(), "new", _report(_answers("x" * 12)), None, earlier)
    assert (decision.status, decision.reasons) == (status, (f"Maria has decided: {status}",))


def test_a_version_that_no_person_decided_about_is_decided_again() -> None:
    assert (
        decide_promotion(_config(), "new", _report(_answers("x" * 12)), None, _version("Rejected")).status == "Approved"
    )


def test_manual_promotion_waits_for_a_person_and_never_is_never() -> None:
    assert _decide("x" * 12, promotion="manual").status == "PendingManualApproval"
    assert _decide("x" * 12, promotion="never").status == "Rejected"


def test_without_thresholds_f1_is_compared_with_the_champion() -> None:
    assert _decide("x" * 200, "x" * 200, thresholds={}).status == "Approved"
    assert _decide("." * 60, "x" * 60, thresholds={}).status == "Rejected"


@pytest.mark.parametrize("categories", [{}, {"Asia": {}}], ids=["no thresholds", "an empty list of thresholds"])
@pytest.mark.parametrize("candidate", ["." * 12, "x" * 12], ids=["all wrong", "all right"])
def test_a_first_model_without_thresholds_is_left_to_a_person_whatever_it_answers(
    candidate: str, categories: dict[str, dict[str, float]]
) -> None:
    decision = _decide(candidate, thresholds={}, evaluation={"category_thresholds": categories})
    assert decision.status == "PendingManualApproval"
    assert decision.reasons == (
        "nothing judges the answers: there is no champion yet, and the model has no thresholds",
    )


def test_a_category_threshold_alone_is_enough_to_judge_a_first_model() -> None:
    category = {"category_thresholds": {"*": {"f1": 0.5}}}
    assert _decide("x" * 12, thresholds={}, evaluation=category).status == "Approved"
    assert _decide("." * 12, thresholds={}, evaluation=category).status == "Rejected"


@settings(max_examples=15)
@given(st.text("x.", min_size=20, max_size=60), st.randoms())
def test_a_model_that_answers_like_the_champion_or_better_is_never_rejected(
    champion: str, chance: random.Random
) -> None:
    candidate = "".join("x" if chance.random() < 0.3 else sign for sign in champion)
    assert _decide(candidate, champion, thresholds={}).status != "Rejected"


@settings(max_examples=15)
@given(st.text("x.", min_size=20, max_size=60))
def test_a_wider_margin_never_turns_an_approval_into_less(champion: str) -> None:
    candidate = champion[::-1]
    order: list[ApprovalStatus] = ["Rejected", "PendingManualApproval", "Approved"]
    narrow, wide = (
        _decide(candidate, champion, thresholds={}, comparison={"margin": margin, "category_margin": margin})
        for margin in (0.02, 0.3)
    )
    assert order.index(wide.status) >= order.index(narrow.status)
