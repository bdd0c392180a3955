"""The metrics of every evaluation; the additional ones that a suite can name are in ``record_metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from include.evaluation.qa_accuracy import QaScores, score_accepted
from include.evaluation.responses import GUARDRAIL_INTERVENED

Statistic = Literal["mean", "p50", "p95"]


@dataclass(frozen=True)
class Observation:
    """The input of a metric: one record and its answer. Missing answers and unreported values are None.

    ``intervened`` is whether a guardrail answered in the model's place; None where the suite has no guardrail.
    """

    accepted_answers: tuple[str, ...]
    answer: str | None
    latency_seconds: float | None = None
    output_tokens: int | None = None
    intervened: bool | None = None


@dataclass(frozen=True)
class Metric:
    """How a metric is computed: ``value`` per record (None: not counted), then ``statistic`` over the values.

    A metric without a ``unit`` is a score between 0 and 1, where higher is better; it can have a threshold.
    """

    value: Callable[[Observation], float | None]
    statistic: Statistic = "mean"
    unit: str = ""

    @property
    def is_score(self) -> bool:
        """Whether the metric is a score between 0 and 1."""
        return not self.unit


def _qa(name: str) -> Metric:
    def value(observation: Observation) -> float:
        return float(getattr(_qa_scores(observation), name))

    return Metric(value)


def _qa_scores(observation: Observation) -> QaScores:
    """Return the QA scores; a record without an answer scores 0 and is not left out."""
    if observation.answer is None:
        return QaScores(0.0, 0.0, 0.0, 0.0, 0.0)
    return score_accepted(observation.answer, observation.accepted_answers)


def _answer_rate(observation: Observation) -> float:
    return float(bool(observation.answer and observation.answer.strip()))


def _guardrail_intervened(observation: Observation) -> float | None:
    return None if observation.intervened is None else float(observation.intervened)


def _latency(observation: Observation) -> float | None:
    return observation.latency_seconds


def _tokens_per_second(observation: Observation) -> float | None:
    if not observation.latency_seconds or observation.output_tokens is None:
        return None
    return observation.output_tokens / observation.latency_seconds


def _output_tokens(observation: Observation) -> float | None:
    return observation.output_tokens


def _answer_words(observation: Observation) -> float | None:
    return None if observation.answer is None else float(len(observation.answer.split()))


METRICS: Mapping[str, Metric] = {
    "exact_match": _qa("exact_match"),
    "quasi_exact_match": _qa("quasi_exact_match"),
    "f1": _qa("f1"),
    "precision": _qa("precision"),
    "recall": _qa("recall"),
    "answer_rate": Metric(_answer_rate),
    GUARDRAIL_INTERVENED: Metric(_guardrail_intervened),
    "latency_p50": Metric(_latency, "p50", unit="s"),
    "latency_p95": Metric(_latency, "p95", unit="s"),
    "tokens_per_second": Metric(_tokens_per_second, unit="tokens/s"),
    "output_tokens": Metric(_output_tokens, unit="tokens"),
    "answer_words": Metric(_answer_words, unit="words"),
}

#: The score of a report, and of no single record, that the metric ``accuracy`` brings with it.
MACRO_F1 = "macro_f1"
SCORES = tuple(name for name, metric in METRICS.items() if metric.is_score)


def scores_of_every_evaluation(*, guarded: bool) -> tuple[str, ...]:
    """Return the names of the scores that every evaluation has, with or without a guardrail."""
    return tuple(name for name in SCORES if guarded or name != GUARDRAIL_INTERVENED)


def is_score(name: str) -> bool:
    """Return whether a metric is a score between 0 and 1: only some of ``METRICS`` are not."""
    return name not in METRICS or METRICS[name].is_score


def unit_of(name: str) -> str:
    """Return the unit of a metric; empty for a score."""
    return METRICS[name].unit if name in METRICS else ""


def scores_named(labels: Iterable[str], scores: Iterable[str]) -> tuple[str, ...]:
    """Return the ``scores`` that the labels stand for: a metric with several names them ``label.name``."""
    known = tuple(scores)
    return tuple(name for label in labels for name in known if name == label or name.startswith(f"{label}."))


def score_record(observation: Observation) -> dict[str, float]:
    """Return the record's scores between 0 and 1, by metric: those of ``SCORES``."""
    values = {name: METRICS[name].value(observation) for name in SCORES}
    return {name: value for name, value in values.items() if value is not None}
