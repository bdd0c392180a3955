"""Question-answering accuracy as FMEval defines it, without the dependency.

Source of the formulas: Amazon SageMaker Clarify's FMEval, algorithm "QA accuracy"
(https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-qa-accuracy-evaluation.html).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, fields

ALTERNATIVES_DELIMITER = "<OR>"
"""Stands between several accepted answers of one target."""

_ARTICLES = frozenset({"a", "an", "the"})
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class QaScores:
    """The five scores of a prediction, each between 0 and 1."""

    exact_match: float
    quasi_exact_match: float
    f1: float
    precision: float
    recall: float


METRICS = tuple(field.name for field in fields(QaScores))


def score(prediction: str, target: str) -> QaScores:
    """Return the scores of ``prediction``, each the maximum over the answers that ``target`` accepts.

    The scores may come from different answers. The delimiter ``<OR>`` is read in ``target`` only.
    """
    return score_accepted(prediction, target.split(ALTERNATIVES_DELIMITER))


def score_accepted(prediction: str, accepted_answers: Sequence[str]) -> QaScores:
    """Return the scores of ``prediction``, each the maximum over ``accepted_answers`` (at least one)."""
    scores = [_score_alternative(prediction, answer) for answer in accepted_answers]
    return QaScores(**{metric: max(getattr(one, metric) for one in scores) for metric in METRICS})


def _score_alternative(prediction: str, answer: str) -> QaScores:
    normal_prediction, normal_answer = normalize(prediction.strip()), normalize(answer.strip())
    predicted, expected = set(normal_prediction.split()), set(normal_answer.split())
    shared = len(predicted & expected)
    precision = shared / len(predicted) if shared else 0.0
    recall = shared / len(expected) if shared else 0.0
    return QaScores(
        exact_match=float(prediction.strip() == answer.strip()),
        quasi_exact_match=float(normal_prediction == normal_answer),
        f1=_harmonic_mean(precision, recall) if shared else 0.0,
        precision=precision,
        recall=recall,
    )


def normalize(text: str) -> str:
    """Return ``text`` in lower case, without ASCII punctuation, articles and repeated blanks.

    Words are what blanks separate: other white space, such as a line end, stays part of its word.
    """
    words = text.lower().translate(_WITHOUT_PUNCTUATION).split(" ")
    return " ".join(word for word in words if word and word not in _ARTICLES)


def _harmonic_mean(precision: float, recall: float) -> float:
    return 1.0 / (0.5 / precision + 0.5 / recall)
