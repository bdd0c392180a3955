"""Estimate statistics of an evaluation, and by 95 % intervals how much they would vary on other records of the kind.

The mean of scores, which are between 0 and 1, has the bounds of ``bounded_mean``. Percentiles, and means of what has
no upper limit such as tokens, have a percentile bootstrap over records (B. Efron and R. Tibshirani, "An Introduction
to the Bootstrap", 1993, chapter 13): records are drawn with replacement, the statistic is taken of each draw, and the
interval holds the middle 95 %. The same values and seed give the same interval. numpy is imported when it is needed:
DAG files import this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from include.evaluation.bounded_mean import CONFIDENCE_PERCENT, Limits, draw_means
from include.evaluation.errors import NoScoresError
from include.evaluation.metrics import Statistic
from include.evaluation.results import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

RESAMPLES = 2000
SCORE_LIMITS = Limits(0.0, 1.0)
_BLOCK_CELLS = 4_000_000


def estimate_score(values: Sequence[float], seed: int) -> Estimate:
    """Return the mean of scores between 0 and 1 with its 95 % confidence interval.

    Raises:
        NoScoresError: there is no score.
    """
    import numpy as np

    if not values:
        raise NoScoresError
    low, high = draw_means(values, SCORE_LIMITS, seed).interval
    return Estimate(value=float(np.mean(values)), low=low, high=high, records=len(values))


def estimate(values: Sequence[float], statistic: Statistic, seed: int) -> Estimate:
    """Return the statistic of ``values`` with its 95 % confidence interval; for scores, see ``estimate_score``.

    Raises:
        NoScoresError: there is no value.
    """
    import numpy as np

    if not values:
        raise NoScoresError
    array = np.asarray(values, dtype=np.float64)
    value = float(_take(array[np.newaxis, :], statistic)[0])
    low, high = _interval(_resample(array, statistic, seed))
    return Estimate(value=value, low=low, high=high, records=len(values))


def _resample(values: Values, statistic: Statistic, seed: int) -> Values:
    """Return the statistic of each of ``RESAMPLES`` draws from ``values``."""
    import numpy as np

    if values.min() == values.max():
        return np.full(RESAMPLES, values[0])
    return np.concatenate(list(_blocks(values, statistic, np.random.default_rng(seed))))


def _blocks(values: Values, statistic: Statistic, generator: Any) -> Iterator[Values]:
    """Draw in blocks, so that a large data set does not need all draws in memory at once."""
    size, done = len(values), 0
    while done < RESAMPLES:
        rows = min(RESAMPLES - done, max(1, _BLOCK_CELLS // size))
        yield _take(values[generator.integers(size, size=(rows, size))], statistic)
        done += rows


def _interval(drawn: Values) -> tuple[float, float]:
    """Return the bounds of the middle 95 % of ``drawn``."""
    import numpy as np

    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def _take(rows: Values, statistic: Statistic) -> Values:
    """Return the statistic of each row; percentiles use the nearest rank, so that they are measured values."""
    import numpy as np

    if statistic == "mean":
        means: Values = rows.mean(axis=1)
        return means
    share = {"p50": 50, "p95": 95}[statistic]
    percentiles: Values = np.percentile(rows, share, axis=1, method="inverted_cdf")
    return percentiles
