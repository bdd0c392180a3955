"""Confidence bounds for the mean of values that lie between two known limits, for few records too.

The bounds are those of N. Gaffke ("Three test statistics for a nonparametric one-sided hypothesis on the mean of a
nonnegative variable", 2005) and of E. Learned-Miller and P. Thomas ("A New Confidence Interval for the Mean of a
Bounded Random Variable", 2019, https://arxiv.org/abs/1905.06208). The records get random weights that sum to 1
(Dirichlet). So does one more value that was not observed: the lowest possible one for the lower bound, the highest
possible one for the upper bound. Records that are all alike therefore still have an interval with a width. For values
of 0 and 1 the bounds are the exact ones of C. Clopper and E. Pearson (1934). The reasons for this choice are in
docs/adr/0011-intervals-that-hold-at-the-edges.md, the measured coverage in docs/benchmarks.md.

The same values and seed give the same bounds. numpy is imported when it is needed: DAG files import this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

CONFIDENCE_PERCENT = 95
DRAWS = 5_000
#: The share of draws beyond each end of the interval.
TAIL = (100 - CONFIDENCE_PERCENT) / 200
#: Quantiles of the normal distribution: of the two-sided 95 %, and of the power of 80 % with which a margin is planned.
Z, Z_POWER = 1.959964, 0.841621
_BLOCK_CELLS = 4_000_000


class Limits(NamedTuple):
    """The lowest and the highest value that is possible."""

    lowest: float
    highest: float


class MeanDraws(NamedTuple):
    """Draws of the mean for the lower bound and for the upper bound.

    A share of the draws is a one-sided p-value: ``(lower < x).mean()`` of "the mean is at most x", and
    ``(upper >= x).mean()`` of "the mean is at least x".
    """

    lower: Values
    upper: Values

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean."""
        import numpy as np

        low, high = np.quantile(self.lower, TAIL, method="hazen"), np.quantile(self.upper, 1 - TAIL, method="hazen")
        return float(low), float(high)


def draw_means(values: Sequence[float] | Values, limits: Limits, seed: int) -> MeanDraws:
    """Return ``DRAWS`` draws of the mean of ``values``, of which there is at least one, all within ``limits``."""
    import numpy as np

    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    means, unseen = _of_one_value(distinct, counts) if len(distinct) == 1 else _of_several(distinct, counts, seed)
    return MeanDraws(means + unseen * limits.lowest, means + unseen * limits.highest)


def _of_one_value(distinct: Values, counts: NDArray[np.int64]) -> tuple[Values, Values]:
    """Return evenly spaced quantiles instead of draws: the weight of the unseen value has a simple distribution."""
    import numpy as np

    unseen = 1 - ((np.arange(DRAWS) + 0.5) / DRAWS) ** (1 / counts[0])
    return (1 - unseen) * distinct[0], unseen


def _of_several(distinct: Values, counts: NDArray[np.int64], seed: int) -> tuple[Values, Values]:
    """Return the weighted sums of the values and the weights of the unseen one, drawn in blocks to save memory.

    Weights of equal values are drawn as one: a sum of exponential variables has a gamma distribution.
    """
    import numpy as np

    generator, shapes = np.random.default_rng(seed), np.append(counts, 1).astype(np.float64)
    rows = max(1, _BLOCK_CELLS // len(shapes))
    sums, unseen = [], []
    for start in range(0, DRAWS, rows):
        weights = generator.standard_gamma(shapes, size=(min(rows, DRAWS - start), len(shapes)))
        weights /= weights.sum(axis=1, keepdims=True)
        sums.append(weights[:, :-1] @ distinct)
        unseen.append(weights[:, -1])
    return np.concatenate(sums), np.concatenate(unseen)


def smallest_margin(records: int) -> float:
    """Return the smallest margin within which ``records`` equal scores show that a model is not worse."""
    return 1 - math.pow(TAIL, 1 / records)


def records_for_margin(margin: float, mean_square: float = 0.0) -> int | None:
    """Return how many records it takes to show that a model is not worse by more than ``margin``.

    If every record scores the same with both models, it is the least number with which that is possible. If
    ``mean_square``, the mean of the squared differences of a record's two scores, is not 0, it is about the number with
    which it is shown in 80 % of cases when the models are equally good. No number of records shows a margin of 0: None.
    """
    if margin <= 0:
        return None
    if margin >= 1:
        return 1
    return math.ceil(math.log(TAIL) / math.log1p(-margin) + (Z + Z_POWER) ** 2 * mean_square / margin**2)
