"""Results of an evaluation: one per record, and a report over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from include.evaluation.metrics import Observation, is_score, scores_named

Status = Literal["answered", "timeout", "error", "throttled"]
STATUSES: tuple[Status, ...] = ("answered", "timeout", "error", "throttled")

_CATEGORIES_IN_SUMMARY = 50


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class RecordResult(_Block):
    """The result of one record: a line of the records file.

    ``record_id`` is the same for the same question, accepted answers and category, wherever they stand in a data set:
    it joins the results of two models. ``scores`` are between 0 and 1, by metric; a record that was not answered scores
    0. ``expected_label`` and ``given_label`` are there if the suite names the metric ``accuracy``. ``logprobs`` are
    those of the last tokens of a prompt that ends with the accepted answer. Latency is that of the call that succeeded,
    in seconds. ``error`` says why there is no answer.
    """

    record_id: str
    index: int
    question: str
    accepted_answers: tuple[str, ...]
    category: str | None
    status: Status
    answer: str
    scores: Mapping[str, float]
    expected_label: str | None = None
    given_label: str | None = None
    logprobs: tuple[float, ...] | None = None
    stop_reason: str | None = None
    error: str = ""
    latency_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    answered_at: datetime | None = None

    def with_scores(self, scores: Mapping[str, float]) -> Self:
        """Return the result with these scores added."""
        return self.model_copy(update={"scores": {**self.scores, **scores}})


class Estimate(_Block):
    """A statistic over ``records`` records, with its 95 % confidence interval."""

    value: float
    low: float
    high: float
    records: int


class CategoryResult(_Block):
    """The metrics over the records of one category."""

    category: str
    records: int
    metrics: Mapping[str, Estimate]


class ConfusionCell(_Block):
    """How many records whose right label is ``expected`` have an answer that gives ``given``."""

    expected: str
    given: str
    records: int


class PromptSettings(_Block):
    """The prompt settings of an evaluation. ``examples`` are the few-shot questions with their answers, in order.

    ``choices`` are the texts of which the answer is one; any text if there are none. With ``likelihood`` the prompt
    ends with the accepted answer, whose log probabilities are asked for.
    """

    body_format: str
    prompt_template: str
    system_prompt: str | None = None
    examples: tuple[tuple[str, str], ...] = ()
    stop: tuple[str, ...] = ()
    max_tokens: int
    temperature: float = 0.0
    guardrail_id: str | None = None
    guardrail_version: str | None = None
    choices: tuple[str, ...] = ()
    likelihood: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """What conditions are compared by; later settings count where they are used, so that older reports stay."""
        unused = {name for name in ("choices", "likelihood") if not getattr(self, name)}
        return self.model_dump(exclude=unused)


class EvaluationReport(_Block):
    """The metrics of a served model on a data set.

    ``metrics`` holds what could be measured, by the names of ``metrics.METRICS`` and of the additional
    scores that the suite names; ``metrics_digest`` identifies those with their parameters, and is empty without any.
    ``dataset_digest`` is the SHA-256 of the data set's file, which holds ``dataset_records``; ``records`` of them were
    asked: all, or a sample drawn with ``seed``, which also seeds the intervals. ``conditions_digest`` stands for the
    records asked and the prompt settings: reports that have it in common can be compared record by record, through the
    files at ``records_uri``. ``seconds`` is how long the questions that this run asked took; ``statuses`` counts
    records. ``changed_questions`` were asked in addition, for metrics that ask further questions, and
    ``changed_unanswered`` of them have no answer.
    """

    schema_version: Literal[1] = 1
    model_arn: str
    dataset_uri: str
    dataset_digest: str
    dataset_records: int
    records: int
    seed: int
    conditions_digest: str
    metrics_digest: str = ""
    prompt: PromptSettings
    metrics: Mapping[str, Estimate]
    categories: tuple[CategoryResult, ...]
    confusion: tuple[ConfusionCell, ...] = ()
    statuses: Mapping[Status, int]
    changed_questions: int = 0
    changed_unanswered: int = 0
    guardrail_interventions: int = 0
    seconds: float
    concurrency: int
    cost_summary: str = ""
    records_uri: str

    @property
    def sampled(self) -> bool:
        """Whether only a sample of the data set was used."""
        return self.records < self.dataset_records

    @property
    def is_complete(self) -> bool:
        """Whether every question was answered."""
        return self.statuses["answered"] == self.records and not self.changed_unanswered

    @property
    def scores(self) -> dict[str, float]:
        """The value of each metric between 0 and 1."""
        return {name: one.value for name, one in self.metrics.items() if is_score(name)}

    def missing_scores(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``labels`` that no score has: the evaluation was stored before they were measured."""
        return tuple(label for label in labels if not scores_named([label], self.metrics))

    def summary(self) -> dict[str, Any]:
        """Return the report as small JSON, with the 50 largest categories; the rest is in the stored report."""
        largest = sorted(self.categories, key=lambda part: -part.records)[:_CATEGORIES_IN_SUMMARY]
        whole = self.model_dump(mode="json")
        kept = {part.category for part in largest}
        categories = [part for part in whole["categories"] if part["category"] in kept]
        return whole | {"categories": categories, "confusion": []}


def count_statuses(results: Iterable[RecordResult]) -> dict[Status, int]:
    """Return the number of records per status, zeros included."""
    counts = Counter(result.status for result in results)
    return {status: counts[status] for status in STATUSES}


def observation_of(result: RecordResult) -> Observation:
    """Return what a metric sees of a record's result."""
    answer = result.answer if result.status == "answered" else None
    return Observation(result.accepted_answers, answer, result.latency_seconds, result.output_tokens)
