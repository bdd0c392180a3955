"""Correct for looking at many differences at once: the more that are looked at, the more look bad by chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from include.evaluation.bounded_mean import TAIL
from include.evaluation.comparison import Comparison, PairedDifference

#: A category of fewer records says too little to stand in a promotion's way; it is only shown.
LEAST_CATEGORY_RECORDS = 5


class Look(NamedTuple):
    """One difference that could refuse a promotion; ``category`` is None for all records of the suite."""

    suite: str
    category: str | None
    metric: str


def looks_at(suite: str, comparison: Comparison) -> Iterator[tuple[Look, PairedDifference]]:
    """Yield the differences of a comparison, overall and in each category that has enough records."""
    for metric, difference in comparison.overall.items():
        yield Look(suite, None, metric), difference
    for category, differences in comparison.categories.items():
        for metric, difference in differences.items():
            if difference.records >= LEAST_CATEGORY_RECORDS:
                yield Look(suite, category, metric), difference


def shown_worse(comparisons: Mapping[str, Comparison]) -> frozenset[Look]:
    """Return the looks, at the comparisons by suite, in which the candidate is shown to be worse beyond the margin.

    Step-down procedure of S. Holm ("A Simple Sequentially Rejective Multiple Test Procedure", 1979): the chance that
    any of the returned ones is in fact within its margin is at most 2.5 %, as for one look without the others. A
    promotion needs no correction: every suite that decides has to pass (intersection-union test, R. Berger 1982), so
    more of them make a wrong promotion less likely.
    """
    looks = [each for suite, comparison in comparisons.items() for each in looks_at(suite, comparison)]
    return frozenset(_rejected(looks))


def _rejected(looks: Sequence[tuple[Look, PairedDifference]]) -> Iterator[Look]:
    ordered = sorted(looks, key=lambda each: each[1].not_worse_share)
    for done, (look, difference) in enumerate(ordered):
        if difference.not_worse_share > TAIL / (len(ordered) - done):
            return
        yield look
