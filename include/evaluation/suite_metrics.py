"""Score records with the metrics that a suite names."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from include.evaluation.classification import labelled, labels_of
from include.evaluation.dataset import Record
from include.evaluation.errors import MetricFailedError, MetricNotAllowedError, MetricValueError
from include.evaluation.further_questions import FurtherQuestions
from include.evaluation.metric_choice import MetricChoice, is_accuracy
from include.evaluation.metrics import SCORES, Observation
from include.evaluation.record_metrics import RECORD_METRICS, MetricFunction
from include.evaluation.results import RecordResult, observation_of
from include.team_functions import load_function

#: So that reports stay readable: a function may return several scores.
MOST_SCORES_OF_A_FUNCTION = 10


class RecordMetric(NamedTuple):
    """A metric with its parameters filled in: a function of a record and its observation."""

    label: str
    function: MetricFunction

    def scores(self, record: Record, observation: Observation) -> dict[str, float]:
        """Return the record's scores: one under the label, or several whose names begin with it and a dot.

        Raises:
            MetricFailedError: the function raised an exception.
            MetricValueError: it returned something else than scores.
        """
        try:
            value = self.function(record, observation)
        except Exception as error:  # whatever a function of the team's own does
            raise MetricFailedError(self.label, record.index, f"{type(error).__name__}: {error}") from error
        if not isinstance(value, Mapping):
            return {self.label: self._score(record, value)}
        if not 0 < len(value) <= MOST_SCORES_OF_A_FUNCTION or not all(isinstance(name, str) for name in value):
            raise MetricValueError(self.label, record.index, f"a mapping with the keys {list(value)[:20]}")
        return {f"{self.label}.{name}": self._score(record, one) for name, one in value.items()}

    def _score(self, record: Record, value: Any) -> float:
        try:
            score = float(value)
        except (TypeError, ValueError):
            score = math.nan
        if isinstance(value, str) or not 0 <= score <= 1:
            raise MetricValueError(self.label, record.index, f"{value!r:.80}")
        return score


class SuiteMetrics(NamedTuple):
    """The metrics of a suite that are not among ``SCORES``.

    ``labels`` are there if ``accuracy`` is one of them. ``further`` has the metrics that ask further questions, by
    their labels. ``digest`` stands for what they are, with their parameters, the code of the team's own modules and the
    further columns of the records; it is empty without any. Answers that were scored under another digest have to be
    scored again.
    """

    metrics: tuple[RecordMetric, ...] = ()
    labels: tuple[str, ...] = ()
    further: tuple[tuple[str, FurtherQuestions], ...] = ()
    digest: str = ""


def load_metrics(
    choices: Sequence[MetricChoice], packages: Sequence[str], records: Sequence[Record] = ()
) -> SuiteMetrics:
    """Return the metrics of a suite; modules of the team's own are imported.

    Args:
        choices: what the suite names.
        packages: the packages from which functions of the team's own may be loaded.
        records: what is asked: the labels of ``accuracy`` are taken from them if it names none.

    Raises:
        LabelsUnusableError: the records' answers cannot be labels.
        MetricNotAllowedError: a function is in another package.
        TeamFunctionError: a function cannot be loaded.
    """
    further = [choice for choice in choices if choice.further]
    chosen = [choice for choice in choices if choice.metric not in SCORES and choice not in further]
    functions = [_function(choice, packages) for choice in chosen]
    labels = next((tuple(one.parameters.get("labels") or labels_of(records)) for one in chosen if is_accuracy(one)), ())
    metrics = tuple(
        RecordMetric(
            choice.label,
            partial(function, **{**choice.parameters, **({"labels": labels} if is_accuracy(choice) else {})}),
        )
        for choice, function in zip(chosen, functions, strict=True)
    )
    contents = [
        [choice.metric, choice.label, choice.parameters, _code(function) if choice.is_own else ""]
        for choice, function in zip(chosen, functions, strict=True)
    ] + [[choice.metric, choice.label, choice.parameters, ""] for choice in further]
    if contents:
        contents += [[dict(record.columns)] for record in records if record.columns]
    digest = hashlib.sha256(json.dumps(contents, sort_keys=True, default=str).encode()).hexdigest() if contents else ""
    asking = tuple((choice.label, choice.further) for choice in further if choice.further)
    return SuiteMetrics(metrics, labels, asking, digest)


def _function(choice: MetricChoice, packages: Sequence[str]) -> MetricFunction:
    if not choice.is_own:
        return RECORD_METRICS[choice.metric]
    module = choice.metric.partition(":")[0]
    if not any(f"{module}.".startswith(f"{package}.") for package in packages):
        raise MetricNotAllowedError(choice.metric, packages)
    return load_function(choice.metric)


def _code(function: MetricFunction) -> str:
    """Return the SHA-256 of the file in which a function is; empty where there is none."""
    file = getattr(sys.modules.get(function.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def scored_with(
    named: SuiteMetrics, results: Sequence[RecordResult], records: Sequence[Record]
) -> tuple[RecordResult, ...]:
    """Return the results of ``records``, in the same order, with the scores of the named metrics added.

    All of them are 0 for a record without an answer.

    Raises:
        MetricFailedError: a metric raised an exception.
        MetricValueError: a metric returned something else than scores, or other scores for some records.
    """
    found = [
        _scores(named.metrics, record, result) if result.status == "answered" else None
        for record, result in zip(records, results, strict=True)
    ]
    names = next((list(scores) for scores in found if scores is not None), [metric.label for metric in named.metrics])
    for result, scores in zip(results, found, strict=True):
        if scores is not None and list(scores) != names:
            differing = ", ".join(sorted(scores.keys() ^ set(names))) or "another order"
            raise MetricValueError(differing[:100], result.index, "scores that other records do not have")
    nothing = dict.fromkeys(names, 0.0)
    return tuple(
        result.model_copy(
            update={
                "scores": {**result.scores, **(nothing if scores is None else scores)},
                **(_labels(named.labels, record, result) if named.labels else {}),
            }
        )
        for record, result, scores in zip(records, results, found, strict=True)
    )


def _labels(labels: Sequence[str], record: Record, result: RecordResult) -> dict[str, str]:
    expected, given = labelled(record, result.answer, labels)
    return {"expected_label": expected, "given_label": given}


def _scores(metrics: Sequence[RecordMetric], record: Record, result: RecordResult) -> dict[str, float]:
    observation = observation_of(result)
    return {name: score for one in metrics for name, score in one.scores(record, observation).items()}
