"""Collect the content of a version's report from evaluation, comparison, decision and registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from include.evaluation.answer_marks import MarkedAnswer
from include.evaluation.comparison import Comparison
from include.evaluation.results import EvaluationReport, RecordResult
from include.promotion.decision import PromotionDecision
from include.promotion.findings import Finding, gravest_first
from include.reporting.clients import ClientExample
from include.reporting.judge import JudgeContent
from include.reporting.suites import ConfusionTable, MetricRow, SuiteContent, confusion_table, metric_rows, records_text
from include.reporting.training_content import TrainingContent

#: So that a page of a large data set still opens at once; the records file holds all.
MOST_ANSWERS, MOST_EXAMPLES = 100, 10
MOST_CATEGORIES = 200
LONGEST_TEXT = 1000
STATUS_WORDS = {
    "Approved": "Approved",
    "Rejected": "Rejected",
    "PendingManualApproval": "Waits for a person's approval",
}


@dataclass(frozen=True)
class Measured:
    """A model with its evaluation and record results."""

    name: str
    report: EvaluationReport
    records: Sequence[RecordResult]


@dataclass(frozen=True)
class ChangedAnswer:
    """One question; ``champion`` is None where there is none to compare with. ``number`` counts in the data set.

    ``mark`` is a person's, if there is one.
    """

    number: int
    question: str
    accepted: str
    category: str
    champion: str | None
    candidate: str
    mark: str = ""


@dataclass(frozen=True)
class ChangedAnswers:
    """Changed answers of one kind: those that are shown, and their total number."""

    shown: tuple[ChangedAnswer, ...]
    total: int


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page. Metrics by group: scores over all records, per category, then speed and lengths.

    ``examples`` are answers that are right, to be shown where there are no others to show. ``model_url`` is the page
    of all versions in Airflow. ``sample_size`` says what so many records can show. ``suites`` are those
    after the main one, about which the rest of the page is. ``judged`` is what a judge says, by suite, and the scores
    of a Bedrock evaluation job.
    """

    model_name: str
    version: int
    status: str
    description: str
    findings: tuple[Finding, ...]
    answer: str
    champion: str
    base: str
    records: str
    compared: str
    scores: tuple[MetricRow, ...]
    categories: tuple[MetricRow, ...]
    speed: tuple[MetricRow, ...]
    broken: ChangedAnswers
    fixed: ChangedAnswers
    wrong: ChangedAnswers
    examples: ChangedAnswers
    marked: ChangedAnswers
    latencies: tuple[tuple[float, ...], tuple[float, ...]]
    costs: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    clients: tuple[ClientExample, ...] = ()
    model_url: str = ""
    training: TrainingContent | None = None
    sample_size: str = ""
    suites: tuple[SuiteContent, ...] = ()
    judged: tuple[JudgeContent, ...] = ()
    confusion: ConfusionTable | None = None


def build_content(
    candidate: Measured,
    champion: Measured | None,
    comparison: Comparison | None,
    decision: PromotionDecision,
    facts: Mapping[str, Any],
    base: Measured | None = None,
    marks: Sequence[MarkedAnswer] = (),
) -> ReportContent:
    """Return the content of a version's page.

    Args:
        candidate: the version.
        champion: the one it was compared with, if there was one that could be asked.
        comparison: of the two.
        decision: what was decided, and why.
        facts: model_name, version, status, description, answer, compared (metric), costs, provenance, clients,
            model_url, training, sample_size, suites and judged.
        base: the base model without an adapter, if it was measured on the same data; its records are not needed.
        marks: what people have marked of the version's answers.
    """
    report, rival = candidate.report, champion.report if champion else None
    pairs, texts = _pairs(candidate, champion), {mark.record_id: mark.text for mark in marks}
    changed = partial(_changed, pairs, texts)
    right = [it.record_id for it in candidate.records if it.scores["quasi_exact_match"] == 1]
    return ReportContent(
        findings=gravest_first(decision.findings),
        champion=champion.name if champion else "",
        base=base.name if base else "",
        records=records_text(report),
        scores=tuple(_with_base(metric_rows(report, rival, comparison, scores=True), base)),
        categories=tuple(_category_rows(report, champion, comparison, facts["compared"]))[:MOST_CATEGORIES],
        confusion=confusion_table(report.confusion),
        speed=tuple(metric_rows(report, rival, comparison, scores=False)),
        broken=changed(comparison.broken if comparison else ()),
        fixed=changed(comparison.fixed if comparison else ()),
        wrong=changed([it.record_id for it in candidate.records if it.scores["quasi_exact_match"] < 1]),
        examples=changed(right[:MOST_EXAMPLES]),
        marked=changed([record_id for record_id in texts if record_id in pairs]),
        latencies=(_latencies(candidate), _latencies(champion)),
        **{**facts, "status": STATUS_WORDS[facts["status"]]},
    )


def _with_base(rows: Iterable[MetricRow], base: Measured | None) -> Iterator[MetricRow]:
    for row in rows:
        yield replace(row, base=base.report.metrics.get(row.label)) if base else row


def _category_rows(
    report: EvaluationReport, champion: Measured | None, comparison: Comparison | None, metric: str
) -> Iterator[MetricRow]:
    rivals = {part.category: part.metrics for part in champion.report.categories} if champion else {}
    for part in (part for part in report.categories if metric in part.metrics):
        yield MetricRow(
            label=part.category,
            unit="",
            candidate=part.metrics[metric],
            champion=rivals.get(part.category, {}).get(metric),
            difference=comparison.categories.get(part.category, {}).get(metric) if comparison else None,
        )


_Pairs = Mapping[str, tuple[RecordResult, RecordResult | None]]


def _pairs(candidate: Measured, champion: Measured | None) -> _Pairs:
    rivals = {it.record_id: it for it in champion.records} if champion else {}
    return {it.record_id: (it, rivals.get(it.record_id)) for it in candidate.records}


def _changed(pairs: _Pairs, marks: Mapping[str, str], record_ids: Iterable[str]) -> ChangedAnswers:
    wanted = list(record_ids)
    shown = (_answer(*pairs[record_id], marks.get(record_id, "")) for record_id in wanted[:MOST_ANSWERS])
    return ChangedAnswers(shown=tuple(shown), total=len(wanted))


def _answer(new: RecordResult, old: RecordResult | None, mark: str) -> ChangedAnswer:
    return ChangedAnswer(
        number=new.index + 1,
        question=_shown(new.question),
        accepted=_shown(" or ".join(new.accepted_answers)),
        category=new.category or "",
        champion=_said(old) if old else None,
        candidate=_said(new),
        mark=_shown(mark),
    )


def _said(result: RecordResult) -> str:
    return _shown(result.answer) if result.status == "answered" else f"({result.status}) {_shown(result.error)}"


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"


def _latencies(measured: Measured | None) -> tuple[float, ...]:
    records = measured.records if measured else ()
    return tuple(it.latency_seconds for it in records if it.latency_seconds is not None)
