"""Build the report of an evaluation from the results of its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from include.evaluation.bootstrap import estimate, estimate_score
from include.evaluation.classification import Labelled, confusion, macro_f1
from include.evaluation.errors import NoScoresError
from include.evaluation.metrics import MACRO_F1, METRICS, is_score, unit_of
from include.evaluation.responses import GUARDRAIL_INTERVENED
from include.evaluation.results import (
    CategoryResult,
    ConfusionCell,
    Estimate,
    EvaluationReport,
    PromptSettings,
    RecordResult,
    count_statuses,
    observation_of,
)


class MeasuredOn(NamedTuple):
    """The model, data set and prompt settings of an evaluation: what a report holds beside the scores."""

    model_arn: str
    dataset_uri: str
    dataset_digest: str
    dataset_records: int
    seed: int
    conditions_digest: str
    prompt: PromptSettings
    concurrency: int
    records_uri: str
    metrics_digest: str = ""


def build_report(
    measured_on: MeasuredOn, results: Sequence[RecordResult], seconds: float, cost_summary: str = ""
) -> EvaluationReport:
    """Return the metrics of ``results``, overall and per category, with confidence intervals.

    Raises:
        NoScoresError: there is no record.
    """
    if not results:
        raise NoScoresError
    return EvaluationReport(
        **measured_on._asdict(),
        records=len(results),
        metrics=_metrics(results, measured_on.seed),
        categories=tuple(_by_category(results, measured_on.seed)),
        confusion=tuple(_confusion(results)),
        statuses=count_statuses(results),
        guardrail_interventions=sum(result.stop_reason == GUARDRAIL_INTERVENED for result in results),
        seconds=seconds,
        cost_summary=cost_summary,
    )


def _metrics(results: Sequence[RecordResult], seed: int) -> dict[str, Estimate]:
    """Leave out metrics that no record reports, such as token counts where the body format has none."""
    scores = dict.fromkeys(name for result in results for name in result.scores)
    names = [*METRICS, *(name for name in scores if name not in METRICS)]
    values = {name: _values(name, results) for name in names}
    metrics = {name: _estimate(name, values[name], seed) for name in names if values[name]}
    pairs = _labelled(results)
    return {**metrics, MACRO_F1: macro_f1(pairs, seed)} if pairs else metrics


def _labelled(results: Sequence[RecordResult]) -> list[Labelled]:
    labels = ((result.expected_label, result.given_label) for result in results)
    return [Labelled(expected, given) for expected, given in labels if expected is not None and given is not None]


def _confusion(results: Sequence[RecordResult]) -> Iterator[ConfusionCell]:
    for (expected, given), records in confusion(_labelled(results)).items():
        yield ConfusionCell(expected=expected, given=given, records=records)


def _estimate(name: str, values: Sequence[float], seed: int) -> Estimate:
    return estimate_score(values, seed) if is_score(name) else estimate(values, METRICS[name].statistic, seed)


def _values(name: str, results: Sequence[RecordResult]) -> list[float]:
    if is_score(name):
        return [result.scores[name] for result in results if name in result.scores]
    taken = (METRICS[name].value(observation_of(result)) for result in results)
    return [value for value in taken if value is not None]


def _by_category(results: Sequence[RecordResult], seed: int) -> Iterator[CategoryResult]:
    groups: dict[str, list[RecordResult]] = {}
    for result in results:
        if result.category is not None:
            groups.setdefault(result.category, []).append(result)
    for category, group in sorted(groups.items()):
        yield CategoryResult(category=category, records=len(group), metrics=_metrics(group, seed))


def as_markdown(report: EvaluationReport) -> str:
    """Return the report as a Markdown table. It quotes no question or answer, so it can be logged."""
    return "\n".join(_table(report))


def _table(report: EvaluationReport) -> Iterator[str]:
    names = list(report.scores)
    yield _row("category", "records", *names)
    yield _row("---", *("---:" for _ in range(len(names) + 1)))
    yield _row("**all**", str(report.records), *(_with_interval(report.metrics[name]) for name in names))
    for part in report.categories:
        yield _row(part.category, str(part.records), *(f"{part.metrics[name].value:.3f}" for name in names))
    yield ""
    for name, one in report.metrics.items():
        if not is_score(name):
            yield f"- {name}: {_with_interval(one)} {unit_of(name)}"
    yield f"- records: {', '.join(f'{count} {status}' for status, count in report.statuses.items() if count)}"


def _with_interval(one: Estimate) -> str:
    return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _row(*cells: str) -> str:
    """Return a table row with pipes and line breaks escaped."""
    escaped = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
