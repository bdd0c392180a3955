"""Answers as labels: which one an answer gives, macro F1 over records, and the confusion matrix.

Macro F1 is the mean over the labels of each label's F1, and not a mean over records, so the interval of a mean does not
hold for it. Its interval uses the same idea as ``bounded_mean``: the records get random weights, and so does one more
record that was not observed. For the lower bound it counts against every label, for the upper bound it is right for
every label. All right answers therefore still have an interval with a width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from include.evaluation.bounded_mean import DRAWS, TAIL
from include.evaluation.dataset import Record
from include.evaluation.errors import LabelsUnusableError
from include.evaluation.results import Estimate

#: The label of an answer that gives none.
UNKNOWN = "unknown"
#: A data set with more different answers is hardly a classification.
MOST_LABELS = 50


class Labelled(NamedTuple):
    """The label that is right for a record, and the one that the answer gives."""

    expected: str
    given: str


def normal_label(text: str) -> str:
    """Return a label in lower case without blanks around it, as labels are compared."""
    return text.strip().lower()


def labels_of(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the labels of a data set: the first accepted answer of each record.

    Raises:
        LabelsUnusableError: there are more than ``MOST_LABELS``, or one is more than a word.
    """
    found = tuple(dict.fromkeys(normal_label(record.accepted_answers[0]) for record in records))
    if len(found) > MOST_LABELS:
        raise LabelsUnusableError(f"at most {MOST_LABELS} different first accepted answers", str(len(found)))
    for label in found:
        if not is_word(label):
            raise LabelsUnusableError("first accepted answers of one word", repr(label[:40]))
    return found


def is_word(label: str) -> bool:
    """Return whether an answer can give the label: an answer is split at its spaces."""
    return " " not in label.strip()


def label_in(answer: str, labels: Iterable[str]) -> str:
    """Return the first word of the answer that is a label, or ``UNKNOWN``.

    Words are what spaces separate, so "positive." is not the label "positive". This is FMEval's
    ``convert_model_output_to_label``
    (https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-classification-accuracy-evaluation.html).
    """
    known = {normal_label(label) for label in labels}
    return next((word for word in map(normal_label, answer.split(" ")) if word in known), UNKNOWN)


def labelled(record: Record, answer: str, labels: Iterable[str]) -> Labelled:
    """Return the labels of a record; of several accepted ones, the one that was given, or else the first."""
    accepted, given = [normal_label(one) for one in record.accepted_answers], label_in(answer, labels)
    return Labelled(given if given in accepted else accepted[0], given)


def macro_f1(records: Iterable[Labelled], seed: int) -> Estimate:
    """Return the mean of the labels' F1 with its 95 % confidence interval; there is at least one record.

    The labels are those that are right for some record, or given by some answer. An answer without a label counts
    against the label that is right, and is not a label itself.
    """
    import numpy as np

    cells = Counter(records)
    labels = sorted({cell.expected for cell in cells} | ({cell.given for cell in cells} - {UNKNOWN}))
    counts = np.asarray(list(cells.values()), dtype=np.float64)
    hits = np.asarray([[cell == (label, label) for label in labels] for cell in cells], dtype=np.float64)
    named = np.asarray([[cell.count(label) for label in labels] for cell in cells], dtype=np.float64)

    weights = np.random.default_rng(seed).standard_gamma(np.append(counts, 1.0), size=(DRAWS, len(counts) + 1))
    weights /= weights.sum(axis=1, keepdims=True)
    seen, unseen = weights[:, :-1], weights[:, -1:]
    lower = (2 * seen @ hits / (seen @ named + unseen)).mean(axis=1)
    upper = ((2 * seen @ hits + 2 * unseen) / (seen @ named + 2 * unseen)).mean(axis=1)
    return Estimate(
        value=float((2 * counts @ hits / (counts @ named)).mean()),
        low=float(np.quantile(lower, TAIL, method="hazen")),
        high=float(np.quantile(upper, 1 - TAIL, method="hazen")),
        records=int(counts.sum()),
    )


def confusion(records: Iterable[Labelled]) -> Mapping[Labelled, int]:
    """Return how many records have each pair of labels, the most frequent first."""
    counts = Counter(records)
    return dict(sorted(counts.items(), key=lambda cell: (-cell[1], cell[0])))
