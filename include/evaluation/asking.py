"""Ask a model many questions at a time: pacing, retries, and a log from which a killed run resumes."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from include.evaluation.answer_log import AnswerLog, LoggedAnswer
from include.evaluation.errors import (
    ModelInvocationError,
    ModelUnavailableError,
    NothingAnsweredError,
    ResponseSchemaError,
)
from include.evaluation.pacing import ConcurrencyLimit, pause
from include.evaluation.progress import AnswerProgress
from include.evaluation.refusals import NOT_ANSWERED, Refusal, refusal_of
from include.evaluation.responses import Answer, cut_at_stop, prompt_logprobs, read_answer, require_choice
from include.evaluation.results import Status

log = logging.getLogger(__name__)

#: The status of a question that is given up.
_STATUSES: Mapping[Refusal, Status] = {"throttled": "throttled", "cold": "throttled", "timeout": "timeout"}
_WAITED_FOR: tuple[Refusal, ...] = ("throttled", "cold", "unreachable")
_ATTEMPTS = 3
#: As many failures without any answer end the evaluation: the fault is not in the questions.
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


DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True)
class Question:
    """One call: its ``parameters`` without the model id, and the ``key`` under which its answer is logged.

    ``index`` is the number of the record that it is about, and ``text`` its question, both for logs and errors. The
    answer is one of ``choices``, if there are some. ``answer_end`` is the answer with which the prompt ends, if the log
    probabilities of its tokens are asked for.
    """

    key: str
    index: int
    text: str
    parameters: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    answer_end: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer, or the reason for none. The latency is that of the successful call."""

    status: Status
    answer: Answer | None = None
    latency_seconds: float | None = None
    answered_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Replies:
    """The replies by the keys of the questions. ``asked`` counts the questions without an answer of an earlier run."""

    by_key: Mapping[str, Reply]
    asked: int
    seconds: float


def question_key(*identity: Any) -> str:
    """Return the key of a question: the same for the same model, request and whatever else identifies it."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=bytes.decode).encode()).hexdigest()


def ask_questions(
    client: RuntimeClient,
    model_id: str,
    questions: Sequence[Question],
    *,
    answers_path: Path,
    concurrency: int,
    known: Mapping[str, Reply],
    patience: Patience = DEFAULT_PATIENCE,
) -> Replies:
    """Return the reply to every question. Up to ``concurrency`` are in flight, fewer while the model throttles.

    Each answer is appended to ``answers_path`` at once. A question with an answer there or in ``known`` is not asked.

    Raises:
        AnswerLogLineError: ``answers_path`` holds something else; nothing was asked.
        ModelUnavailableError: nothing was answered for as long as ``patience`` lasts.
        ModelInvocationError: permission, model or endpoint are wrong, or the credentials have expired.
        NothingAnsweredError: all questions failed.
    """
    started = time.monotonic()
    with AnswerLog(answers_path) as answers:
        logged = {one.key: _reply(answers.answers[one.key]) for one in questions if one.key in answers.answers}
        replies = {**known, **logged}
        pending = {one.key: one for one in questions if one.key not in replies}
        progress = AnswerProgress(len(questions), len(pending))
        asking = _Asking(client, model_id, patience, answers, ConcurrencyLimit(concurrency), progress)
        replies |= asking.ask(tuple(pending.values()), concurrency, any_answered=bool(replies))
    return Replies(replies, len(pending), time.monotonic() - started)


def _reply(logged: LoggedAnswer) -> Reply:
    return Reply("answered", logged.answer, logged.latency_seconds, datetime.fromisoformat(logged.answered_at))


class _Asking:
    """Ask questions in parallel and log the answers; a failure that is not specific to one question ends it."""

    def __init__(
        self,
        client: RuntimeClient,
        model_id: str,
        patience: Patience,
        answers: AnswerLog,
        limit: ConcurrencyLimit,
        progress: AnswerProgress,
    ) -> None:
        self._client, self._model_id, self._patience = client, model_id, patience
        self._answers, self._limit, self._progress = answers, limit, progress
        self._given_up: dict[str, Exception] = {}
        self._ended = Event()
        self._last_answer = float("-inf")

    def ask(self, questions: Sequence[Question], concurrency: int, *, any_answered: bool) -> dict[str, Reply]:
        """Return the reply to each question by its key; see ``ask_questions`` for what is raised."""
        with ThreadPoolExecutor(concurrency) as pool:
            futures = {pool.submit(self._settle, question): question.key for question in questions}
            replies: dict[str, Reply] = {}
            try:
                for future in as_completed(futures):
                    reply = replies[futures[future]] = future.result()
                    any_answered = any_answered or reply.answer is not None
                    if not any_answered and len(replies) >= min(_HOPELESS, len(questions)):
                        cause = self._given_up[futures[future]]
                        raise NothingAnsweredError(self._model_id, len(replies), reply.error) from cause
            finally:
                self._ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
        return replies

    def _settle(self, question: Question) -> Reply:
        reply = self._ask(question)
        self._progress.settle(answered=reply.answer is not None, concurrency=self._limit.current)
        return reply

    def _ask(self, question: Question) -> Reply:
        started, refusals = time.monotonic(), Counter[Refusal]()
        while True:
            try:
                with self._limit.slot():
                    logged = self._ask_once(question)
            except NOT_ANSWERED as error:
                refusal = refusal_of(error)
                refusals[refusal] += 1
                if self._gives_up(question, error, refusals, started):
                    log.warning("Record %d is given up: %s", question.index, error)
                    self._given_up[question.key] = error
                    return Reply(_STATUSES.get(refusal, "error"), error=str(error)[:_LONGEST_ERROR])
                self._ended.wait(self._pause(refusal, refusals[refusal]))
            else:
                self._answers.append(logged)
                self._last_answer = time.monotonic()
                return _reply(logged)

    def _gives_up(self, question: Question, error: Exception, refusals: Counter[Refusal], started: float) -> bool:
        """Return whether to give up this question rather than ask again; raise when all questions are affected."""
        refusal, index = refusal_of(error), question.index
        if refusal == "fatal" or self._ended.is_set():
            raise ModelInvocationError(self._model_id, index, str(error)) from error
        if refusal not in _WAITED_FOR:
            return refusal == "refused" or refusals[refusal] >= _ATTEMPTS
        deadline = self._patience.deadline_seconds
        if time.monotonic() - started < deadline:
            return False
        if self._last_answer < started:
            raise ModelUnavailableError(self._model_id, index, deadline, str(error)) from error
        return True

    def _pause(self, refusal: Refusal, times: int) -> float:
        if refusal == "throttled":
            return self._limit.throttled(times)
        return pause(self._patience.first_pause_seconds, times)

    def _ask_once(self, question: Question) -> LoggedAnswer:
        started = time.monotonic()
        body = self._call({"modelId": self._model_id, **question.parameters})
        latency = time.monotonic() - started
        answer = read_answer(body)
        self._limit.answered(latency)
        cut = replace(answer, text=cut_at_stop(answer.text, question.stop))
        require_choice(cut, question.choices)
        if question.answer_end:
            # A token is at least a byte; a tokenizer may put a blank before the first, and one of its own.
            cut = replace(cut, logprobs=prompt_logprobs(body, len(question.answer_end.encode()) + 2))
        return LoggedAnswer(question.key, question.text, latency, datetime.now(UTC).isoformat(), cut)

    def _call(self, parameters: Mapping[str, Any]) -> Any:
        if "messages" in parameters:
            return self._client.converse(**parameters)
        payload = self._client.invoke_model(**parameters)["body"].read()
        try:
            return json.loads(payload)
        except ValueError as error:
            raise ResponseSchemaError(f"no JSON: {error}") from error
