from __future__ import annotations

import random

import pytest

from include.judging.results import Preferred
from tests.support.judge_reports import first, report_of


def test_a_record_is_won_only_when_it_is_preferred_in_both_orders() -> None:
    verdicts: list[tuple[Preferred, Preferred]] = [
        ("candidate", "candidate"), ("candidate", "tie"), ("candidate", "champion"), ("champion", "champion"),
    ]  # fmt: skip
    report = report_of(lambda index, is_first, _: verdicts[index % 4][not is_first])
    assert report.wins
    assert report.losses
    assert report.ties
    assert (report.wins.value, report.losses.value, report.ties.value) == (0.25, 0.25, 0.5)
    assert report.order_agreement == 0.5


def test_when_every_record_is_lost_the_interval_still_has_a_width() -> None:
    report = report_of(lambda *_: "champion", records=16)
    assert report.losses
    assert report.losses.value == 1.0
    assert report.losses.low == pytest.approx(0.025 ** (1 / 16), abs=0.001)  # Clopper and Pearson
    assert report.prefers == "champion"


def test_a_judge_that_favours_a_place_at_random_is_hardly_ever_taken_to_prefer_a_model() -> None:
    chance = random.Random(7)
    drawn = [report_of(lambda _, is_first, __: first(is_first == (chance.random() < 0.85)), seed=n) for n in range(60)]
    assert sum(report.prefers != "tie" for report in drawn) <= 3
    assert all(report.favoured_place == "first" for report in drawn)


def test_unreadable_replies_in_one_order_do_not_turn_a_bias_into_a_preference() -> None:
    report = report_of(lambda index, is_first, _: None if index % 2 and not is_first else first(is_first))
    assert report.prefers == "tie"
    assert (report.unreadable, report.without_verdict) == (30, 30)
    assert report.is_usable
    mostly = report_of(lambda index, is_first, _: None if index % 4 and not is_first else first(is_first))
    assert not mostly.is_usable


def test_repetitions_that_disagree_are_counted_per_order() -> None:
    report = report_of(lambda index, _, number: "candidate" if index % 3 or number else "champion", repetitions=2)
    assert report.repetition_agreement == pytest.approx(2 / 3)
    assert report_of(lambda *_: "tie").repetition_agreement is None


def test_without_any_verdict_there_is_no_estimate() -> None:
    report = report_of(lambda *_: None)
    assert (report.preference, report.prefers, report.is_usable) == (None, None, False)
    assert (report.unreadable, report.without_verdict) == (120, 60)


def test_the_cost_is_that_of_the_tokens_at_the_prices_that_are_given() -> None:
    assert report_of(lambda *_: "tie").cost_summary == "1,000,000 input and 500,000 output tokens: 10.5000 USD"
