"""Ask an imported model every question of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from include.evaluation.asking import (
    DEFAULT_PATIENCE,
    Patience,
    Question,
    Reply,
    RuntimeClient,
    ask_questions,
    question_key,
)
from include.evaluation.dataset import Record
from include.evaluation.requests import request
from include.evaluation.responses import Answer
from include.evaluation.results import PromptSettings, Status


@dataclass(frozen=True)
class Outcome:
    """The outcome of a record: an answer, or the reason for none. The latency is that of the successful call."""

    record: Record
    status: Status
    answer: Answer | None = None
    latency_seconds: float | None = None
    answered_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Interview:
    """The outcomes in the order of the records. ``asked`` counts the records without an answer of an earlier run."""

    outcomes: tuple[Outcome, ...]
    asked: int
    seconds: float


def ask_all(
    client: RuntimeClient,
    model_arn: str,
    records: Sequence[Record],
    prompt: PromptSettings,
    *,
    answers_path: Path,
    concurrency: int = 8,
    patience: Patience = DEFAULT_PATIENCE,
    known: Iterable[Outcome] = (),
) -> Interview:
    """Return the outcome of every record. Up to ``concurrency`` questions are in flight, fewer while throttled.

    Each answer is appended to ``answers_path`` at once. A record with an answer there or in ``known``, of the same
    model to the same request, is not asked again.

    Raises:
        PromptTemplateError, PromptEndError: the template cannot be used; nothing was asked.
        AnswerLogLineError, ModelUnavailableError, ModelInvocationError, NothingAnsweredError: see ``ask_questions``.
    """
    questions = [_question(model_arn, record, prompt) for record in records]
    answered = {_question(model_arn, one.record, prompt).key: _reply(one) for one in known if one.answer is not None}
    replies = ask_questions(
        client,
        model_arn,
        questions,
        answers_path=answers_path,
        concurrency=concurrency,
        patience=patience,
        known=answered,
    )
    pairs = zip(records, questions, strict=True)
    outcomes = tuple(_outcome(record, replies.by_key[question.key]) for record, question in pairs)
    return Interview(outcomes, replies.asked, replies.seconds)


def _question(model_arn: str, record: Record, prompt: PromptSettings) -> Question:
    answer_end = record.accepted_answers[0] if prompt.likelihood else ""
    parameters = request(prompt, record.question, answer_end)
    key = question_key(model_arn, record.digest, parameters)
    return Question(key, record.index, record.question, parameters, prompt.stop, prompt.choices, answer_end)


def _reply(one: Outcome) -> Reply:
    return Reply(one.status, one.answer, one.latency_seconds, one.answered_at, one.error)


def _outcome(record: Record, reply: Reply) -> Outcome:
    return Outcome(record, reply.status, reply.answer, reply.latency_seconds, reply.answered_at, reply.error)
