"""Scores of models whose true quality is known, to see how often a statistic is right about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.evaluation.bootstrap import estimate_score
from include.evaluation.comparison import PairedDifference, paired_difference

Scores = NDArray[np.float64]
#: F1 scores of answers that are partly right.
PARTLY_RIGHT = np.array([0.0, 0.4, 0.5, 2 / 3, 0.8])
ROUNDING = 1e-9


class Kind(NamedTuple):
    """How scores are drawn: of so many records, of which a share is right; and their true mean."""

    draw: Callable[[np.random.Generator, int, float], Scores]
    mean: Callable[[float], float]


def _right_or_wrong(generator: np.random.Generator, records: int, share: float) -> Scores:
    return (generator.random(records) < share).astype(np.float64)


def _f1(generator: np.random.Generator, records: int, share: float) -> Scores:
    right = generator.random(records) < share
    return np.where(right, 1.0, generator.choice(PARTLY_RIGHT, records))


def _f1_mean(share: float) -> float:
    return share + (1 - share) * float(PARTLY_RIGHT.mean())


def _even(generator: np.random.Generator, records: int, share: float) -> Scores:
    """Return right answers, and else any score between 0 and 1: no two of these are equal."""
    right = generator.random(records) < share
    return np.where(right, 1.0, generator.random(records))


KINDS = {
    "0 or 1": Kind(_right_or_wrong, lambda share: share),
    "F1": Kind(_f1, _f1_mean),
    "0 to 1": Kind(_even, lambda share: share + (1 - share) / 2),
}


def coverage(kind: str, share: float, records: int, samples: int) -> float:
    """Return how often the interval of the mean score holds the true mean."""
    generator, true = np.random.default_rng(records), KINDS[kind].mean(share)
    held = 0
    for seed in range(samples):
        found = estimate_score(list(KINDS[kind].draw(generator, records, share)), seed)
        held += found.low - ROUNDING <= true <= found.high + ROUNDING
    return held / samples


def differences(
    kind: str, broken: float, fixed: float, records: int, samples: int, margin: float = 0.02
) -> Iterator[tuple[PairedDifference, float]]:
    """Yield the comparison of a candidate with a champion, and the true difference of their means.

    The champion is right in 95 % of the records. Of all records, the candidate answers the share ``broken`` wrongly and
    the share ``fixed`` rightly, whatever the champion answered, and the others as the champion does.
    """
    generator, wrong = np.random.default_rng(records), KINDS[kind].mean(0.0)
    old_mean = KINDS[kind].mean(0.95)
    true = broken * (wrong - old_mean) + fixed * (1 - old_mean)
    for seed in range(samples):
        champion = KINDS[kind].draw(generator, records, 0.95)
        chance = generator.random(records)
        candidate = np.where(chance < broken, KINDS[kind].draw(generator, records, 0.0), champion)
        candidate = np.where(chance >= 1 - fixed, 1.0, candidate)
        yield paired_difference(list(candidate), list(champion), margin=margin, seed=seed), true
