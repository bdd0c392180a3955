"""Metrics that a suite can name: functions of a record and what the model answered, with parameters as keywords.

A score is between 0 and 1, and higher is better. A record without an answer scores 0 in every metric, so these
functions always see an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from include.evaluation.classification import MOST_LABELS, is_word, label_in, normal_label
from include.evaluation.dataset import Record
from include.evaluation.metrics import Observation
from include.evaluation.qa_accuracy import normalize

#: The value of a metric for a record: a score, or several by their names.
Value = float | Mapping[str, float]
MetricFunction = Callable[..., Value]
#: A refusal comes first in an answer; the same words further on are about something else.
REFUSAL_CHARACTERS = 300
_REFUSALS = Path(__file__).with_name("refusal_patterns.json")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"must be a regular expression of Python: {error}") from None
    return text


def _word(label: str) -> str:
    if not is_word(label):
        raise ValueError("must be one word: an answer is split at its spaces")
    return label


def _schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"must be a JSON schema: {error.message}") from None
    return schema


Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_pattern)]
Schema = Annotated[Mapping[str, Any], AfterValidator(_schema)]
Label = Annotated[str, StringConstraints(min_length=1), AfterValidator(_word)]
Labels = Annotated[tuple[Label, ...], Field(min_length=1, max_length=MOST_LABELS)]
Length = Annotated[int, Field(ge=0)]
Unit = Literal["words", "characters"]


def accuracy(record: Record, observation: Observation, *, labels: Labels | None = None) -> float:
    """Return whether the answer gives an accepted label: FMEval's classification accuracy, in any case.

    ``labels`` are all labels that there are; by default the first accepted answers of the data set.
    """
    return float(label_in(_text(observation), labels or ()) in map(normal_label, record.accepted_answers))


def factual_knowledge(record: Record, observation: Observation) -> float:
    """Return whether the answer contains an accepted answer, in any case: FMEval's "exact inclusion".

    https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-factual-knowledge-evaluation.html
    """
    answer = _text(observation).lower()
    return float(any(accepted.lower() in answer for accepted in record.accepted_answers))


def factual_knowledge_quasi(record: Record, observation: Observation) -> float:
    """Return the same after both are normalised as for ``quasi_exact_match``: FMEval's "quasi-exact inclusion"."""
    answer = normalize(_text(observation).strip())
    return float(any(normalize(accepted.strip()) in answer for accepted in record.accepted_answers))


def regex(record: Record, observation: Observation, *, pattern: Pattern) -> float:
    """Return whether the regular expression matches somewhere in the answer."""
    return float(re.search(pattern, _text(observation)) is not None)


def json_valid(record: Record, observation: Observation) -> float:
    """Return whether the answer, without blanks around it, is one JSON value and nothing else (RFC 8259)."""
    return float(_parsed(_text(observation)) is not _NOT_JSON)


def json_schema(record: Record, observation: Observation, *, schema: Schema) -> float:
    """Return whether the answer is JSON that the schema accepts; references to other places are not followed."""
    value = _parsed(_text(observation))
    return float(value is not _NOT_JSON and _validator(json.dumps(schema, sort_keys=True)).is_valid(value))


def length(
    record: Record,
    observation: Observation,
    *,
    least: Length = 0,
    most: Length | None = None,
    unit: Unit = "words",
) -> float:
    """Return whether the answer has at least ``least`` and at most ``most`` words or characters."""
    text = _text(observation)
    found = len(text.split()) if unit == "words" else len(text.strip())
    return float(least <= found and (most is None or found <= most))


def refused(
    record: Record,
    observation: Observation,
    *,
    patterns: tuple[Pattern, ...] | None = None,
) -> float:
    """Return whether the answer begins with a refusal: for questions that a model should refuse.

    ``patterns`` are regular expressions in place of those of refusal_patterns.json.
    """
    beginning = _text(observation)[:REFUSAL_CHARACTERS].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return float(any(re.search(one, beginning, re.IGNORECASE) for one in patterns or _refusal_patterns()))


def not_refused(
    record: Record,
    observation: Observation,
    *,
    patterns: tuple[Pattern, ...] | None = None,
) -> float:
    """Return 1 minus ``refused``: for questions that a model should answer."""
    return 1.0 - refused(record, observation, patterns=patterns)


def rouge1(record: Record, observation: Observation) -> float:
    """Return ROUGE-1, the F-measure of shared words, for the accepted answer that scores best.

    Computed by the library rouge-score with its Porter stemmer, as FMEval does (C.-Y. Lin, "ROUGE: A Package for
    Automatic Evaluation of Summaries", 2004).
    """
    return _rouge("rouge1", record, observation)


def rouge2(record: Record, observation: Observation) -> float:
    """Return ROUGE-2, the F-measure of shared pairs of words; see ``rouge1``."""
    return _rouge("rouge2", record, observation)


def rougeL(record: Record, observation: Observation) -> float:
    """Return ROUGE-L, the F-measure of the longest common subsequence of words; see ``rouge1``."""
    return _rouge("rougeL", record, observation)


def _rouge(kind: str, record: Record, observation: Observation) -> float:
    scores = _rouge_scorer(kind).score_multi(record.accepted_answers, _text(observation))
    return float(scores[kind].fmeasure)


@cache
def _rouge_scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], use_stemmer=True)


RECORD_METRICS: Mapping[str, MetricFunction] = {
    function.__name__: function
    for function in (
        accuracy,
        factual_knowledge,
        factual_knowledge_quasi,
        regex,
        json_valid,
        json_schema,
        length,
        refused,
        not_refused,
        rouge1,
        rouge2,
        rougeL,
    )
}

_NOT_JSON = object()


def _text(observation: Observation) -> str:
    return observation.answer or ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@cache
def _validator(schema: str) -> Any:
    from jsonschema.validators import validator_for
    from referencing import Registry

    parsed = json.loads(schema)
    return validator_for(parsed)(parsed, registry=Registry())


@cache
def _refusal_patterns() -> tuple[str, ...]:
    return tuple(json.loads(_REFUSALS.read_text("utf-8")))
