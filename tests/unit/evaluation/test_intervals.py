"""How often intervals hold what is true, by simulation with fixed seeds; in full: python -m benchmarks.intervals."""

from __future__ import annotations

import re

import pytest

from benchmarks.simulated_scores import ROUNDING, coverage, differences
from include.evaluation.bootstrap import estimate_score
from include.evaluation.bounded_mean import records_for_margin, smallest_margin
from include.evaluation.comparison import paired_difference
from include.run.workspace import PROJECT_ROOT

SAMPLES = 60


@pytest.mark.parametrize("kind", ["0 or 1", "F1"])
@pytest.mark.parametrize(
    ("share", "records"), [(0.0, 16), (0.5, 16), (0.95, 16), (0.98, 16), (0.98, 60), (0.995, 120), (1.0, 16)]
)
def test_the_interval_of_a_mean_score_holds_the_true_mean(kind: str, share: float, records: int) -> None:
    assert coverage(kind, share, records, SAMPLES) >= 0.93


@pytest.mark.parametrize("kind", ["0 or 1", "F1"])
@pytest.mark.parametrize(("broken", "fixed"), [(0.04, 0.0), (0.01, 0.01), (0.0, 0.0)])
@pytest.mark.parametrize("records", [16, 120])
def test_the_interval_of_a_difference_holds_the_true_one(kind: str, broken: float, fixed: float, records: int) -> None:
    held = [
        found.low - ROUNDING <= true <= found.high + ROUNDING
        for found, true in differences(kind, broken, fixed, records, SAMPLES)
    ]
    assert sum(held) / SAMPLES >= 0.93


@pytest.mark.parametrize("records", [16, 60, 250])
def test_a_model_worse_by_twice_the_margin_is_not_taken_for_one_that_is_not_worse(records: int) -> None:
    found = [one for one, _ in differences("0 or 1", 0.042, 0.0, records, SAMPLES)]
    assert sum(one.verdict == "not_worse" for one in found) / SAMPLES <= 0.05


def test_an_equally_good_model_is_usually_shown_to_be_not_worse_with_the_records_that_are_named() -> None:
    needed = records_for_margin(0.05, mean_square=0.02)
    assert needed == 135
    found = [one for one, _ in differences("0 or 1", 0.0105, 0.2, needed, SAMPLES, margin=0.05)]
    assert sum(one.verdict == "not_worse" for one in found) / SAMPLES >= 0.7  # 0.8 on average


@pytest.mark.parametrize("margin", [0.005, 0.02, 0.05, 0.1, 0.5])
def test_equal_answers_are_not_worse_from_the_number_of_records_that_a_margin_needs(margin: float) -> None:
    needed = records_for_margin(margin)
    assert needed is not None
    enough, few = (
        paired_difference([1.0] * records, [1.0] * records, margin=margin, seed=0) for records in (needed, needed - 1)
    )
    assert (enough.verdict, few.verdict) == ("not_worse", "unclear")
    assert smallest_margin(needed) <= margin < smallest_margin(needed - 1)


def test_no_number_of_records_shows_a_margin_of_0() -> None:
    assert records_for_margin(0.0) is None
    assert paired_difference([1.0] * 1000, [1.0] * 1000, margin=0.0, seed=0).verdict == "unclear"


@pytest.mark.parametrize(
    ("right", "records", "interval"),
    [(16, 16, (0.7941, 1.0)), (120, 120, (0.9697, 1.0)), (0, 16, (0.0, 0.2059)), (8, 10, (0.4439, 0.9748))],
)
def test_a_share_of_right_answers_has_the_exact_interval_of_clopper_and_pearson(
    right: int, records: int, interval: tuple[float, float]
) -> None:
    found = estimate_score([1.0] * right + [0.0] * (records - right), 0)
    assert (found.low, found.high) == (pytest.approx(interval[0], abs=0.004), pytest.approx(interval[1], abs=0.004))


def test_the_documented_numbers_of_records_are_those_of_the_code() -> None:
    page = (PROJECT_ROOT / "docs/promotion.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| 0\.\d+ \|", line)]
    assert len(rows) == 5
    for row in rows:
        margin, *numbers = (cell.strip().replace(",", "") for cell in row.strip("|").split("|"))
        shares = (0.0, 0.02, 0.05, 0.1, 0.2)
        assert [records_for_margin(float(margin), share) for share in shares] == [int(number) for number in numbers]
