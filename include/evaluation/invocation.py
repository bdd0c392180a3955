"""Ask an imported model every question of a data set."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from include.evaluation.answer_log import AnswerLog, LoggedAnswer
from include.evaluation.dataset import Record
from include.evaluation.errors import (
    ModelInvocationError,
    ModelUnavailableError,
    NothingAnsweredError,
    ResponseSchemaError,
)
from include.evaluation.pacing import ConcurrencyLimit, pause
from include.evaluation.progress import AnswerProgress
from include.evaluation.refusals import NOT_ANSWERED, Refusal, refusal_of
from include.evaluation.requests import request
from include.evaluation.responses import Answer, cut_at_stop, read_answer
from include.evaluation.results import PromptSettings, Status

log = logging.getLogger(__name__)

#: The status that a record gets when it is given up.
_STATUSES: Mapping[Refusal, Status] = {"throttled": "throttled", "cold": "throttled", "timeout": "timeout"}
_WAITED_FOR: tuple[Refusal, ...] = ("throttled", "cold", "unreachable")
_ATTEMPTS = 3
#: As many failures without any answer end the evaluation: the fault is not in the records.
_HOPELESS = 20
_LONGEST_ERROR = 500


class RuntimeClient(Protocol):
    """The part of boto3's ``bedrock-runtime`` client in use: thread-safe, and configured without retries."""

    def invoke_model(self, **request: Any) -> Mapping[str, Any]:
        """Call InvokeModel; ``body`` of the response is a stream of bytes."""
        ...

    def converse(self, **request: Any) -> Mapping[str, Any]:
        """Call Converse."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long to wait, per question, for a cold, throttled or unreachable model; pauses grow up to 15 s."""

    deadline_seconds: float = 600.0
    first_pause_seconds: float = 1.0


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


@dataclass(frozen=True)
class _Question:
    record: Record
    key: str
    parameters: Mapping[str, Any]
    stop: tuple[str, ...]


def ask_all(
    client: RuntimeClient,
    model_arn: str,
    records: Sequence[Record],
    prompt: PromptSettings,
    *,
    answers_path: Path,
    concurrency: int = 8,
    patience: Patience = Patience(),
    known: Iterable[Outcome] = (),
) -> Interview:
    """Return the outcome of every record. Up to ``concurrency`` questions are in flight, fewer while throttled.

    Each answer is appended to ``answers_path`` at once. A record with an answer there or in ``known``, of the same
    model to the same request, is not asked again.

    Raises:
        PromptTemplateError: the template cannot be filled; nothing was asked.
        AnswerLogLineError: ``answers_path`` holds something else; nothing was asked.
        ModelUnavailableError: nothing was answered for as long as ``patience`` lasts.
        ModelInvocationError: permission, model or endpoint are wrong, or the credentials have expired.
        NothingAnsweredError: all questions failed.
    """
    started = time.monotonic()
    questions = [_question(model_arn, record, prompt) for record in records]
    outcomes = {_question(model_arn, one.record, prompt).key: one for one in known if one.answer is not None}
    with AnswerLog(answers_path) as answers:
        logged = {question.key: question.record for question in questions if question.key in answers.answers}
        outcomes |= {key: _outcome(record, answers.answers[key]) for key, record in logged.items()}
        pending = {question.key: question for question in questions if question.key not in outcomes}
        progress = AnswerProgress(len(questions), len(pending))
        asking = _Asking(client, model_arn, patience, answers, ConcurrencyLimit(concurrency), progress)
        outcomes |= asking.ask(tuple(pending.values()), concurrency, any_answered=bool(outcomes))
    in_order = tuple(replace(outcomes[question.key], record=question.record) for question in questions)
    return Interview(in_order, len(pending), time.monotonic() - started)


def _question(model_arn: str, record: Record, prompt: PromptSettings) -> _Question:
    parameters = request(prompt, record.question)
    identity = json.dumps([model_arn, record.digest, parameters], sort_keys=True, default=bytes.decode)
    key = hashlib.sha256(identity.encode()).hexdigest()
    return _Question(record, key, {"modelId": model_arn, **parameters}, prompt.stop)


def _outcome(record: Record, logged: LoggedAnswer) -> Outcome:
    at = datetime.fromisoformat(logged.answered_at)
    return Outcome(record, "answered", logged.answer, logged.latency_seconds, at)


class _Asking:
    """Ask questions in parallel and log the answers; a failure that is not specific to one record ends it."""

    def __init__(
        self,
        client: RuntimeClient,
        model_arn: str,
        patience: Patience,
        answers: AnswerLog,
        limit: ConcurrencyLimit,
        progress: AnswerProgress,
    ) -> None:
        self._client, self._model_arn, self._patience = client, model_arn, patience
        self._answers, self._limit, self._progress = answers, limit, progress
        self._given_up: dict[str, Exception] = {}
        self._ended = Event()
        self._last_answer = float("-inf")

    def ask(self, questions: Sequence[_Question], concurrency: int, *, any_answered: bool) -> dict[str, Outcome]:
        """Return the outcome of each question by its key; see ``ask_all`` for what is raised."""
        with ThreadPoolExecutor(concurrency) as pool:
            futures = {pool.submit(self._settle, question): question.key for question in questions}
            outcomes: dict[str, Outcome] = {}
            try:
                for future in as_completed(futures):
                    outcome = outcomes[futures[future]] = future.result()
                    any_answered = any_answered or outcome.answer is not None
                    if not any_answered and len(outcomes) >= min(_HOPELESS, len(questions)):
                        cause = self._given_up[futures[future]]
                        raise NothingAnsweredError(self._model_arn, len(outcomes), outcome.error) from cause
            finally:
                self._ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
        return outcomes

    def _settle(self, question: _Question) -> Outcome:
        outcome = self._ask(question)
        self._progress.settle(answered=outcome.answer is not None, concurrency=self._limit.current)
        return outcome

    def _ask(self, question: _Question) -> Outcome:
        started, refusals = time.monotonic(), Counter[Refusal]()
        while True:
            try:
                with self._limit.slot():
                    logged = self._ask_once(question)
            except NOT_ANSWERED as error:
                refusal = refusal_of(error)
                refusals[refusal] += 1
                if self._gives_up(question, error, refusals, started):
                    log.warning("Record %d is given up: %s", question.record.index, error)
                    self._given_up[question.key] = error
                    return Outcome(question.record, _STATUSES.get(refusal, "error"), error=str(error)[:_LONGEST_ERROR])
                self._ended.wait(self._pause(refusal, refusals[refusal]))
            else:
                self._answers.append(logged)
                self._last_answer = time.monotonic()
                return _outcome(question.record, logged)

    def _gives_up(self, question: _Question, error: Exception, refusals: Counter[Refusal], started: float) -> bool:
        """Return whether to give up this question rather than ask again; raise when all questions are affected."""
        refusal, index = refusal_of(error), question.record.index
        if refusal == "fatal" or self._ended.is_set():
            raise ModelInvocationError(self._model_arn, index, str(error)) from error
        if refusal not in _WAITED_FOR:
            return refusal == "refused" or refusals[refusal] >= _ATTEMPTS
        deadline = self._patience.deadline_seconds
        if time.monotonic() - started < deadline:
            return False
        if self._last_answer < started:
            raise ModelUnavailableError(self._model_arn, index, deadline, str(error)) from error
        return True

    def _pause(self, refusal: Refusal, times: int) -> float:
        if refusal == "throttled":
            return self._limit.throttled(times)
        return pause(self._patience.first_pause_seconds, times)

    def _ask_once(self, question: _Question) -> LoggedAnswer:
        started = time.monotonic()
        body = self._call(question.parameters)
        latency = time.monotonic() - started
        answer = read_answer(body)
        self._limit.answered(latency)
        cut = replace(answer, text=cut_at_stop(answer.text, question.stop))
        return LoggedAnswer(question.key, question.record.question, latency, datetime.now(UTC).isoformat(), cut)

    def _call(self, parameters: Mapping[str, Any]) -> Any:
        if "messages" in parameters:
            return self._client.converse(**parameters)
        payload = self._client.invoke_model(**parameters)["body"].read()
        try:
            return json.loads(payload)
        except ValueError as error:
            raise ResponseSchemaError(f"no JSON: {error}") from error
