"""The scores of a version beside the champion's: the same in an approval request and in a notification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from include.steps.results import DecisionResult, EvaluationResult


class ScoreRow(NamedTuple):
    """A score with its 95 % interval, and the champion's; None where the champion has none to compare with."""

    metric: str
    value: float
    low: float
    high: float
    champion: float | None


class ScoreCard(NamedTuple):
    """The scores in a suite, and the number of the champion; None without one to compare with."""

    suite: str
    champion: int | None
    rows: tuple[ScoreRow, ...]

    def text(self) -> str:
        """Return it as lines of plain text."""
        lines = [
            f"  {row.metric}: {row.value:.3f} (95 % interval {row.low:.3f} to {row.high:.3f})"
            + ("" if row.champion is None else f", champion version {self.champion}: {row.champion:.3f}")
            for row in self.rows
        ]
        return "\n".join([f"Suite {self.suite}:", *lines])


def score_cards(decision: DecisionResult, evaluation: EvaluationResult) -> Iterator[ScoreCard]:
    """Yield the scores in each suite, the main one first."""
    champions = {one.suite: one.champion_scores for one in decision.suites}
    yield _card(evaluation, decision, decision.champion_scores)
    for other in evaluation.others:
        yield _card(other, decision, champions.get(other.suite, {}))


def _card(evaluation: EvaluationResult, decision: DecisionResult, champion: Mapping[str, float]) -> ScoreCard:
    rows = tuple(
        ScoreRow(name, score.value, score.low, score.high, champion.get(name))
        for name in evaluation.scores
        for score in (evaluation.metrics[name],)
    )
    return ScoreCard(evaluation.suite, decision.champion if champion else None, rows)
