"""Compare two models that answered the same records: the paired difference of their scores, and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.evaluation.bounded_mean import Limits, draw_means, records_for_margin
from include.evaluation.errors import DifferentRecordsError, NoScoresError, ScoreMissingError
from include.evaluation.metrics import scores_named
from include.evaluation.results import RecordResult

Verdict = Literal["not_worse", "unclear", "worse"]
#: A score is between 0 and 1, so is the size of a difference of two.
DIFFERENCE_LIMITS = Limits(-1.0, 1.0)


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PairedDifference(_Block):
    """The mean of candidate minus champion over the same records, with its 95 % confidence interval.

    ``worse_share`` is the share of draws for the lower bound in which the candidate was worse by more than ``margin``:
    the one-sided p-value against "worse". ``not_worse_share`` is the share of draws for the upper bound in which it was
    not: the p-value against "not worse". ``mean_square`` is the mean of the squared differences.
    """

    value: float
    low: float
    high: float
    records: int
    margin: float
    worse_share: float
    not_worse_share: float = 1.0
    mean_square: float = 0.0

    @property
    def records_needed(self) -> int | None:
        """About how many records like these would show that an equally good model is not worse; None with margin 0."""
        return records_for_margin(self.margin, self.mean_square)

    @property
    def verdict(self) -> Verdict:
        """``not_worse``: the whole interval is above ``-margin``; ``worse``: all of it is below; else ``unclear``."""
        if self.low >= -self.margin:
            return "not_worse"
        return "worse" if self.high < -self.margin else "unclear"


class Comparison(_Block):
    """Differences by metric, overall and per category, and the records that the candidate fixed or broke.

    A record is broken when the champion's answer was a quasi-exact match and the candidate's is not; fixed is the
    reverse. Both hold record ids, in the order of the candidate's records.
    """

    overall: Mapping[str, PairedDifference]
    categories: Mapping[str, Mapping[str, PairedDifference]]
    fixed: tuple[str, ...]
    broken: tuple[str, ...]


def paired_difference(
    candidate: Sequence[float], champion: Sequence[float], *, margin: float, seed: int
) -> PairedDifference:
    """Return the mean difference of scores, which belong to the same records in the same order.

    The interval is that of the mean of the records' differences, each between -1 and 1 (``bounded_mean``). It has a
    width also when no record scores differently: 16 records without a difference do not rule out one of 10 %.

    Raises:
        NoScoresError: there is no score.
        DifferentRecordsError: there are more of one than of the other.
    """
    import numpy as np

    if len(candidate) != len(champion):
        raise DifferentRecordsError(f"{len(champion)} records", f"{len(candidate)}")
    if not candidate:
        raise NoScoresError
    differences = np.asarray(candidate, dtype=np.float64) - np.asarray(champion, dtype=np.float64)
    draws = draw_means(differences, DIFFERENCE_LIMITS, seed)
    low, high = draws.interval
    return PairedDifference(
        value=float(differences.mean()),
        low=low,
        high=high,
        records=len(candidate),
        margin=margin,
        worse_share=float((draws.lower < -margin).mean()),
        not_worse_share=float((draws.upper >= -margin).mean()),
        mean_square=float((differences**2).mean()),
    )


def compare(
    candidate: Sequence[RecordResult],
    champion: Sequence[RecordResult],
    metrics: Sequence[str],
    *,
    margin: float,
    category_margin: float,
    seed: int,
) -> Comparison:
    """Return how the candidate differs from the champion in ``metrics``, overall and per category.

    ``metrics`` are names of scores, or labels of metrics with several. ``margin`` is what the differences over all
    records are judged by, ``category_margin`` those in a category.

    Raises:
        DifferentRecordsError: they did not answer the same records.
        NoScoresError: there is no record.
        ScoreMissingError: the records of one of them, stored earlier, lack a score that is compared.
    """
    pairs = _pairs(candidate, champion)
    metrics = _scores_of_both(pairs, metrics)
    groups: dict[str, list[_Pair]] = {}
    for pair in pairs:
        if pair[0].category is not None:
            groups.setdefault(pair[0].category, []).append(pair)
    return Comparison(
        overall=_differences(pairs, metrics, margin, seed),
        categories={name: _differences(groups[name], metrics, category_margin, seed) for name in sorted(groups)},
        fixed=tuple(new.record_id for new, old in pairs if _right(new) and not _right(old)),
        broken=tuple(new.record_id for new, old in pairs if _right(old) and not _right(new)),
    )


_Pair = tuple[RecordResult, RecordResult]


def _pairs(candidate: Sequence[RecordResult], champion: Sequence[RecordResult]) -> list[_Pair]:
    by_id = {result.record_id: result for result in champion}
    missing = {result.record_id for result in candidate} ^ by_id.keys()
    if missing or len(candidate) != len(champion):
        raise DifferentRecordsError("the same records", f"{len(missing)} that only one of the models was asked")
    return [(result, by_id[result.record_id]) for result in candidate]


def _scores_of_both(pairs: Sequence[_Pair], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the scores that ``labels`` stand for."""
    if not pairs:
        raise NoScoresError
    new, old = (result.scores.keys() for result in pairs[0])
    named = [(label, scores_named([label], new)) for label in labels]
    for label, names in named:
        if not names or not set(names) <= old:
            raise ScoreMissingError(label, "champion" if names else "candidate")
    return tuple(name for _, names in named for name in names)


def _differences(
    pairs: Sequence[_Pair], metrics: Sequence[str], margin: float, seed: int
) -> dict[str, PairedDifference]:
    return {
        metric: paired_difference(
            [new.scores[metric] for new, _ in pairs], [old.scores[metric] for _, old in pairs], margin=margin, seed=seed
        )
        for metric in metrics
    }


def _right(result: RecordResult) -> bool:
    return result.scores["quasi_exact_match"] == 1.0
