"""Scores by exact probability: how likely the model finds an answer, whether or not it would give it.

The answer is appended to the prompt, and the log probabilities of its tokens are read from those of the prompt
(``prompt_logprobs``, https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-import-advanced-features.html).
They are the model's own: nothing is sampled, and no constraint of ``structured_outputs`` changes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from include.evaluation.classification import MOST_LABELS, normal_label
from include.evaluation.dataset import Record
from include.evaluation.errors import LabelsUnusableError
from include.evaluation.further_questions import FurtherQuestions
from include.evaluation.likelihood_errors import TokenCountError
from include.evaluation.results import PromptSettings, RecordResult

LIKELIHOOD, INVERSE_PERPLEXITY = "likelihood", "inverse_perplexity"
#: The one body format for whose prompts log probabilities are documented and which sends the prompt as it is.
LIKELIHOOD_FORMAT = "OpenAICompletion"


def require_different(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels; raises ValueError if two are the same as labels are compared."""
    if len({normal_label(label) for label in labels}) < len(labels):
        raise ValueError("must differ by more than case and blanks")
    return labels


#: What an answer is one of: texts that differ.
Choice = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Choices = Annotated[tuple[Choice, ...], Field(min_length=2, max_length=MOST_LABELS), AfterValidator(require_different)]


class OfAnswers(FurtherQuestions):
    """A metric of the probability of answers: each is a record with this answer as its accepted one."""

    def prompt(self, prompt: PromptSettings) -> PromptSettings:
        """Return the settings with which the answer ends the prompt; the one generated token is ignored."""
        return prompt.model_copy(
            update={"likelihood": True, "choices": (), "stop": (), "max_tokens": 1, "temperature": 0.0}
        )


class Likelihood(OfAnswers):
    """Classification by likelihood: the answer is the label that the model finds most likely.

    ``labels`` are by default the first accepted answers of the data set. The probability of a label is its share among
    all labels. ``calibration`` is 1 minus the Brier score of these probabilities, halved so that it is between 0 and 1
    also with more than two labels (G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950).
    """

    SCORES: ClassVar[tuple[str, ...]] = ("accuracy", "probability", "calibration")

    labels: Choices | None = None

    def questions(self, records: Sequence[Record], seed: int) -> list[Record]:
        """Return every record once per label.

        Raises:
            LabelsUnusableError: the data set's answers cannot be labels, or a record accepts none of ``labels``.
        """
        labels = self.labels or _first_answers(records)
        check_accepted(records, labels)
        return [replace(record, answer=label) for record in records for label in labels]

    def with_scores(
        self, label: str, results: Sequence[RecordResult], further: Sequence[RecordResult]
    ) -> tuple[RecordResult, ...]:
        """Return the results with the three scores added; see ``FurtherQuestions``."""
        each = len(further) // len(results)
        groups = [further[start : start + each] for start in range(0, len(further), each)]
        return tuple(
            result.with_scores(dict(zip(self.score_names(label), self._scores(result, group), strict=True)))
            for result, group in zip(results, groups, strict=True)
        )

    def _scores(self, result: RecordResult, further: Sequence[RecordResult]) -> tuple[float, float, float]:
        logprobs = [sum(tokens) for one in further if (tokens := answer_logprobs(result, one))]
        if len(logprobs) < len(further):
            return 0.0, 0.0, 0.0
        accepted = {normal_label(answer) for answer in result.accepted_answers}
        right = [normal_label(one.accepted_answers[0]) in accepted for one in further]
        shares = _shares(logprobs)
        probability = min(1.0, sum(share for share, is_right in zip(shares, right, strict=True) if is_right))
        wrong = [share for share, is_right in zip(shares, right, strict=True) if not is_right]
        brier = (1.0 - probability) ** 2 + sum(share**2 for share in wrong)
        return float(right[logprobs.index(max(logprobs))]), probability, max(0.0, 1.0 - brier / 2)


class InversePerplexity(OfAnswers):
    """1 divided by the perplexity of the accepted answer: the geometric mean of its tokens' probabilities.

    Of several accepted answers it is the one with the lowest perplexity.
    """

    def questions(self, records: Sequence[Record], seed: int) -> list[Record]:
        """Return every record once per accepted answer."""
        return [replace(record, answer=answer) for record in records for answer in record.accepted_answers]

    def with_scores(
        self, label: str, results: Sequence[RecordResult], further: Sequence[RecordResult]
    ) -> tuple[RecordResult, ...]:
        """Return the results with the score ``label`` added; see ``FurtherQuestions``."""
        remaining = iter(further)
        return tuple(
            result.with_scores({label: self._score(result, [next(remaining) for _ in result.accepted_answers])})
            for result in results
        )

    def _score(self, result: RecordResult, further: Sequence[RecordResult]) -> float:
        found = [tokens for one in further if (tokens := answer_logprobs(result, one))]
        return max((math.exp(min(0.0, sum(tokens) / len(tokens))) for tokens in found), default=0.0)


def answer_logprobs(result: RecordResult, further: RecordResult) -> tuple[float, ...]:
    """Return the log probabilities of the answer's tokens; nothing if one of the two questions has no answer.

    The answer's tokens are those that the prompt with it has in addition to the prompt without it.

    Args:
        result: of the question alone.
        further: of the same question followed by the answer.

    Raises:
        TokenCountError: the answer has no token of its own, or the model reports no token counts.
    """
    if result.status != "answered" or further.status != "answered":
        return ()
    without, with_answer, last = result.input_tokens, further.input_tokens, further.logprobs or ()
    if without is None or with_answer is None or not 0 < with_answer - without <= len(last):
        raise TokenCountError(result.index, without, with_answer)
    return last[without - with_answer :]


def check_accepted(records: Sequence[Record], labels: Sequence[str]) -> None:
    """Raise LabelsUnusableError if a record accepts none of the labels, in any case: no answer would be right."""
    known = {normal_label(label) for label in labels}
    for record in records:
        if known.isdisjoint(map(normal_label, record.accepted_answers)):
            found = f"record {record.index} accepts {' or '.join(record.accepted_answers)[:80]!r}"
            raise LabelsUnusableError(f"in every record one of {', '.join(labels)[:200]}", found)


def _first_answers(records: Sequence[Record]) -> tuple[str, ...]:
    by_label = {normal_label(record.accepted_answers[0]): record.accepted_answers[0].strip() for record in records}
    if not 2 <= len(by_label) <= MOST_LABELS:
        raise LabelsUnusableError(f"2 to {MOST_LABELS} different first accepted answers", str(len(by_label)))
    return tuple(sorted(by_label.values()))


def _shares(logprobs: Sequence[float]) -> list[float]:
    most = max(logprobs)
    weights = [math.exp(one - most) for one in logprobs]
    return [weight / sum(weights) for weight in weights]
