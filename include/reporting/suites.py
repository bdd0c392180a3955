"""The figures of one suite in a report: its records, and its metrics for both models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from include.config.suites import SuiteEffect
from include.evaluation.comparison import Comparison, PairedDifference
from include.evaluation.metrics import is_score, unit_of
from include.evaluation.results import Estimate, EvaluationReport

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
class SuiteContent:
    """A suite after the main one: its name, what it does, its records, and its scores."""

    name: str
    effect: str
    records: str
    scores: tuple[MetricRow, ...]


def suite_content(
    name: str,
    effect: SuiteEffect,
    report: EvaluationReport,
    champion: EvaluationReport | None,
    comparison: Comparison | None,
) -> SuiteContent:
    """Return what a report shows of a suite."""
    rows = tuple(metric_rows(report, champion, comparison, scores=True))
    return SuiteContent(name, EFFECT_WORDS[effect], records_text(report), rows)


def records_text(report: EvaluationReport) -> str:
    """Return how many records were asked, and what became of them."""
    counts = ", ".join(f"{count} {status}" for status, count in report.statuses.items() if count)
    sample = f", a sample of {report.dataset_records} drawn with seed {report.seed}" if report.sampled else ""
    return f"{report.records} records{sample}: {counts}"


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
