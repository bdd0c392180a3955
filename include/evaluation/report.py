"""What an evaluation found, for people and for the registry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from include.evaluation.dataset import Dataset
from include.evaluation.invocation import AnsweredRecord, EvaluationResult
from include.evaluation.qa_accuracy import METRICS, QaScores, mean_scores, score
from include.evaluation.responses import RequestFormat

_SHOWN_WRONG_ANSWERS = 5


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CategoryScores(_Block):
    """Mean scores over the records of one category."""

    category: str
    records: int
    scores: QaScores


class WrongAnswer(_Block):
    """A question whose answer is not, even up to case, punctuation and articles, an accepted one."""

    question: str
    expected: str
    found: str


class EvaluationReport(_Block):
    """Scores of a served model on a data set; latencies are of the successful call to InvokeModel, in seconds."""

    model_arn: str
    dataset_uri: str
    dataset_digest: str
    prompt_template: str
    max_tokens: int
    body_format: RequestFormat
    records: int
    scores: QaScores
    categories: tuple[CategoryScores, ...]
    latency_p50_seconds: float
    latency_p95_seconds: float
    seconds: float
    wrong_answers: tuple[WrongAnswer, ...]

    def to_markdown(self) -> str:
        """Return the report as Markdown tables."""
        return (
            "\n".join((self.scores_as_markdown(), "", *self._facts(), "", *self._wrong_answer_table())).rstrip() + "\n"
        )

    def scores_as_markdown(self) -> str:
        """Return the scores alone as a Markdown table: nothing of what was asked or answered, so fit for a log."""
        return "\n".join(self._score_table())

    def _score_table(self) -> Iterator[str]:
        yield _row("category", "records", *METRICS)
        yield _row("---", *("---:" for _ in range(len(METRICS) + 1)))
        yield _row("**all**", str(self.records), *_figures(self.scores))
        for part in self.categories:
            yield _row(part.category, str(part.records), *_figures(part.scores))

    def _facts(self) -> Iterator[str]:
        yield f"- Model: `{self.model_arn}`"
        yield f"- Data set: `{self.dataset_uri}` (SHA-256 `{self.dataset_digest}`)"
        yield f"- Prompt: `{self.prompt_template}`, at most {self.max_tokens} tokens, as {self.body_format}"
        yield f"- Latency: p50 {self.latency_p50_seconds:.3f} s, p95 {self.latency_p95_seconds:.3f} s"
        yield f"- Duration: {self.seconds:.1f} s"

    def _wrong_answer_table(self) -> Iterator[str]:
        if self.wrong_answers:
            yield _row("question", "expected", "found")
            yield _row("---", "---", "---")
        for wrong in self.wrong_answers:
            yield _row(wrong.question, wrong.expected, wrong.found)


def build_report(dataset: Dataset, result: EvaluationResult) -> EvaluationReport:
    """Return the scores of ``result``, the answers to all records of ``dataset``.

    Raises:
        NoScoresError: there is no answer.
    """
    scored = [(answered, score(answered.answer.text, answered.record.answer)) for answered in result.answers]
    latencies = [answered.latency_seconds for answered in result.answers]
    return EvaluationReport(
        model_arn=result.model_arn,
        dataset_uri=dataset.uri,
        dataset_digest=dataset.digest,
        prompt_template=result.prompt_template,
        max_tokens=result.max_tokens,
        body_format=result.body_format,
        records=len(scored),
        scores=mean_scores([scores for _, scores in scored]),
        categories=tuple(_by_category(scored)),
        latency_p50_seconds=_percentile(latencies, 0.50),
        latency_p95_seconds=_percentile(latencies, 0.95),
        seconds=result.seconds,
        wrong_answers=tuple(_wrong_answers(scored))[:_SHOWN_WRONG_ANSWERS],
    )


_Scored = Sequence[tuple[AnsweredRecord, QaScores]]


def _by_category(scored: _Scored) -> Iterator[CategoryScores]:
    groups: dict[str, list[QaScores]] = {}
    for answered, scores in scored:
        if answered.record.category is not None:
            groups.setdefault(answered.record.category, []).append(scores)
    for category, scores_of_group in sorted(groups.items()):
        yield CategoryScores(category=category, records=len(scores_of_group), scores=mean_scores(scores_of_group))


def _wrong_answers(scored: _Scored) -> Iterator[WrongAnswer]:
    for answered, scores in scored:
        if not scores.quasi_exact_match:
            record = answered.record
            yield WrongAnswer(question=record.question, expected=record.answer, found=answered.answer.text)


def _percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of ``values`` do not exceed (nearest rank)."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _figures(scores: QaScores) -> Iterator[str]:
    return (f"{value:.3f}" for value in asdict(scores).values())


def _row(*cells: str) -> str:
    """Return a table row; what would end a cell or the row is escaped."""
    escaped = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
