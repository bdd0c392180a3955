from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.evaluation.bootstrap import estimate, estimate_score
from include.evaluation.comparison import compare, paired_difference
from include.evaluation.errors import DifferentRecordsError, NoScoresError, ScoreMissingError
from include.evaluation.results import RecordResult
from tests.support.record_results import record_result

scores = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=40)
pairs = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40)


@given(scores, st.integers(0, 5))
def test_a_mean_lies_in_its_interval_and_the_interval_between_0_and_1(values: list[float], seed: int) -> None:
    found = estimate_score(values, seed)
    assert found.value == pytest.approx(np.mean(values))
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1 + 1e-9
    assert estimate_score(values, seed) == found


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = random.Random(1).choices([0.0, 1.0], weights=[1, 3], k=2000)
    found, mean = estimate_score(values, 0), float(np.mean(values))
    half = 1.96 * float(np.std(values)) / len(values) ** 0.5
    assert found.low == pytest.approx(mean - half, abs=0.002)
    assert found.high == pytest.approx(mean + half, abs=0.002)


def test_a_mean_without_an_upper_limit_has_the_bootstraps_interval() -> None:
    values = random.Random(1).choices([1.0, 2.0, 300.0], k=500)
    found, mean = estimate(values, "mean", 0), float(np.mean(values))
    half = 1.96 * float(np.std(values)) / len(values) ** 0.5
    assert (found.low, found.high) == (pytest.approx(mean - half, abs=1), pytest.approx(mean + half, abs=1))


@pytest.mark.parametrize("statistic", ["p50", "p95"])
def test_a_percentile_is_a_value_that_was_measured(statistic: str) -> None:
    values = [float(number) for number in range(1, 101)]
    found = estimate(values, statistic, 0)  # type: ignore[arg-type]
    assert found.value == {"p50": 50.0, "p95": 95.0}[statistic]
    assert found.low < found.value < found.high


@given(pairs)
def test_swapping_the_models_turns_the_difference_round(scored: list[tuple[float, float]]) -> None:
    one, other = [pair[0] for pair in scored], [pair[1] for pair in scored]
    there = paired_difference(one, other, margin=0.0, seed=3)
    back = paired_difference(other, one, margin=0.0, seed=3)
    assert there.value == -back.value
    assert (there.low, there.high) == (pytest.approx(-back.high, abs=0.05), pytest.approx(-back.low, abs=0.05))


def test_the_same_answers_leave_it_open_whether_other_records_would_differ() -> None:
    found = paired_difference([0.0, 1.0, 0.5], [0.0, 1.0, 0.5], margin=0.02, seed=0)
    assert (found.value, found.mean_square) == (0.0, 0.0)
    assert found.low == -found.high == pytest.approx(0.025 ** (1 / 3) - 1)
    assert (found.verdict, found.records_needed) == ("unclear", 183)


@pytest.mark.parametrize("broken", [0, 3, 40])
def test_the_shares_of_draws_are_the_p_values_that_belong_to_the_interval(broken: int) -> None:
    candidate = [0.0] * broken + [1.0] * (200 - broken)
    found = paired_difference(candidate, [1.0] * 200, margin=0.05, seed=0)
    assert (found.worse_share <= 0.025) == (found.verdict == "not_worse")
    assert (found.not_worse_share <= 0.025) == (found.verdict == "worse")


def test_pairing_sees_what_two_separate_intervals_would_not() -> None:
    champion = random.Random(2).choices([0.0, 1.0], k=400)
    candidate = [0.0 if index % 20 == 0 else score for index, score in enumerate(champion)]
    apart = estimate_score(candidate, 0), estimate_score(champion, 0)
    assert apart[0].high > apart[1].low
    assert paired_difference(candidate, champion, margin=0.0, seed=0).verdict == "worse"


@pytest.mark.parametrize(("margin", "verdict"), [(0.0, "worse"), (0.05, "unclear"), (0.2, "not_worse")])
def test_the_margin_decides_what_counts_as_worse(margin: float, verdict: str) -> None:
    champion = [1.0] * 200
    candidate = [0.0] * 10 + [1.0] * 190
    assert paired_difference(candidate, champion, margin=margin, seed=0).verdict == verdict


def model(right: set[int]) -> list[RecordResult]:
    return [
        record_result(index, "Lima" if index in right else "Rome", category="Africa" if index < 20 else "Asia")
        for index in range(100)
    ]


def test_a_regression_in_one_category_is_seen_there_though_the_whole_is_better() -> None:
    champion, candidate = model(set(range(70))), model(set(range(10, 100)))
    found = compare(candidate, champion, ["f1"], margin=0.01, category_margin=0.01, seed=0)
    assert found.overall["f1"].value == pytest.approx(0.2)
    assert found.overall["f1"].verdict == "not_worse"
    assert found.categories["Africa"]["f1"].verdict == "worse"
    assert found.categories["Asia"]["f1"].verdict == "not_worse"


def test_answers_that_were_fixed_and_broken_are_named() -> None:
    found = compare(model({1, 2, 50}), model({1, 3}), ["f1"], margin=0.0, category_margin=0.0, seed=0)
    assert found.fixed == ("r2", "r50")
    assert found.broken == ("r3",)


def test_the_order_of_the_champions_records_does_not_matter() -> None:
    champion, candidate = model({1, 3}), model({1, 2})
    assert compare(candidate, champion[::-1], ["f1"], margin=0, category_margin=0, seed=0) == compare(
        candidate, champion, ["f1"], margin=0, category_margin=0, seed=0
    )


def test_models_that_answered_different_records_are_not_compared() -> None:
    with pytest.raises(DifferentRecordsError, match="2 that only one"):
        compare(model({1})[:-1], model({1})[1:], ["f1"], margin=0, category_margin=0, seed=0)
    with pytest.raises(DifferentRecordsError):
        paired_difference([1.0], [1.0, 0.0], margin=0, seed=0)
    with pytest.raises(NoScoresError):
        compare([], [], ["f1"], margin=0, category_margin=0, seed=0)


@pytest.mark.parametrize(("which", "older"), [("candidate", 0), ("champion", 1)])
def test_a_score_that_a_models_stored_records_lack_is_named_and_not_passed_over(which: str, older: int) -> None:
    records = [model({1}), model({1})]
    records[older] = [it.model_copy(update={"scores": {"quasi_exact_match": 1.0}}) for it in records[older]]
    with pytest.raises(ScoreMissingError, match=f"f1, of the {which}"):
        compare(records[0], records[1], ["quasi_exact_match", "f1"], margin=0, category_margin=0, seed=0)
