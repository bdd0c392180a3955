"""The figures of one suite in a report: its records, and its metrics for both models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.config.suites import SuiteEffect
from include.evaluation.classification import UNKNOWN
from include.evaluation.comparison import Comparison, PairedDifference
from include.evaluation.metrics import is_score, unit_of
from include.evaluation.results import ConfusionCell, Estimate, EvaluationReport

#: So that the matrix fits on a page.
MOST_LABELS = 11
OTHER_LABELS = "other labels"
EFFECT_WORDS: dict[SuiteEffect, str] = {
    "decides": "decides about the promotion",
    "blocks": "can block the promotion",
    "informs": "is shown only",
}


@dataclass(frozen=True)
class MetricRow:
    """One metric over one group of records for both models; differences exist for compared metrics only.

    ``base`` is that of the base model, if it was measured on the same data.
    """

    label: str
    unit: str
    candidate: Estimate
    champion: Estimate | None
    difference: PairedDifference | None
    base: Estimate | None = None


@dataclass(frozen=True)
class ConfusionTable:
    """The confusion matrix: a row per right label, with the number of records for each given label."""

    given: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class SuiteContent:
    """A suite after the main one: its name, what it does, its records, its scores, and its confusion matrix."""

    name: str
    effect: str
    records: str
    scores: tuple[MetricRow, ...]
    confusion: ConfusionTable | None = None


def suite_content(
    name: str,
    effect: SuiteEffect,
    report: EvaluationReport,
    champion: EvaluationReport | None,
    comparison: Comparison | None,
) -> SuiteContent:
    """Return what a report shows of a suite."""
    rows = tuple(metric_rows(report, champion, comparison, scores=True))
    return SuiteContent(name, EFFECT_WORDS[effect], records_text(report), rows, confusion_table(report.confusion))


def confusion_table(cells: Sequence[ConfusionCell]) -> ConfusionTable | None:
    """Return the matrix of the most frequent labels, the rest of them as one; None without any."""
    if not cells:
        return None
    frequent = Counter[str]()
    for cell in cells:
        frequent.update({cell.expected: cell.records})
        frequent.update({cell.given: cell.records})
    shown = [label for label, _ in frequent.most_common(MOST_LABELS if len(frequent) > MOST_LABELS + 1 else None)]
    counts = Counter[tuple[str, str]]()
    for cell in cells:
        pair = [label if label in shown else OTHER_LABELS for label in (cell.expected, cell.given)]
        counts[pair[0], pair[1]] += cell.records
    order = [*sorted(label for label in shown if label != UNKNOWN), OTHER_LABELS, UNKNOWN]
    given = tuple(label for label in order if any(pair[1] == label for pair in counts))
    expected = [label for label in order if any(pair[0] == label for pair in counts)]
    return ConfusionTable(given, tuple((row, tuple(counts[row, label] for label in given)) for row in expected))


def records_text(report: EvaluationReport) -> str:
    """Return how many records were asked, and what became of them."""
    counts = ", ".join(f"{count} {status}" for status, count in report.statuses.items() if count)
    sample = f", a sample of {report.dataset_records} drawn with seed {report.seed}" if report.sampled else ""
    changed = ""
    if report.changed_questions:
        changed = f"; {report.changed_questions} further questions, {report.changed_unanswered} of them unanswered"
    return f"{report.records} records{sample}: {counts}{changed}"


def metric_rows(
    report: EvaluationReport, champion: EvaluationReport | None, comparison: Comparison | None, *, scores: bool
) -> Iterator[MetricRow]:
    """Yield a row per metric: the scores, or all others."""
    for name, one in report.metrics.items():
        if is_score(name) == scores:
            yield MetricRow(
                label=name,
                unit=unit_of(name),
                candidate=one,
                champion=champion.metrics.get(name) if champion else None,
                difference=comparison.overall.get(name) if comparison else None,
            )
