"""Asks an imported model every question of a data set."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import (
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from include.evaluation.answer_log import AnswerLog, LoggedAnswer
from include.evaluation.dataset import Record
from include.evaluation.errors import ModelInvocationError, ModelUnavailableError, ResponseSchemaError
from include.evaluation.prompts import render
from include.evaluation.responses import Answer, RequestFormat, read_answer, request_body

_WORTH_WAITING_FOR = frozenset({"ModelNotReadyException", "ThrottlingException", "ServiceUnavailableException"})
_LONGEST_PAUSE_SECONDS = 15.0


class RuntimeClient(Protocol):
    """What is used of boto3's ``bedrock-runtime`` client, safe for several threads."""

    def invoke_model(self, **request: Any) -> Mapping[str, Any]:
        """Return the response with its ``body``, a stream of bytes."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long a cold, busy or throttled model is waited for, per question; pauses grow up to 15 s."""

    deadline_seconds: float = 600.0
    first_pause_seconds: float = 1.0


@dataclass(frozen=True)
class AnsweredRecord:
    """A record with the model's answer; latency is that of the call that succeeded."""

    record: Record
    answer: Answer
    latency_seconds: float


@dataclass(frozen=True)
class EvaluationResult:
    """The answers in the order of the records; ``asked`` counts those that no earlier run had brought."""

    model_arn: str
    prompt_template: str
    max_tokens: int
    body_format: RequestFormat
    answers: tuple[AnsweredRecord, ...]
    asked: int
    seconds: float


@dataclass(frozen=True)
class _Question:
    record: Record
    key: str
    body: bytes


def evaluate(
    client: RuntimeClient,
    model_arn: str,
    records: Sequence[Record],
    prompt_template: str,
    max_tokens: int,
    *,
    answers_path: Path,
    body_format: RequestFormat = "OpenAICompletion",
    concurrency: int = 4,
    patience: Patience = Patience(),
) -> EvaluationResult:
    """Return the model's greedy answers to ``records``.

    Each answer goes to ``answers_path`` as it comes; what is found there, of the same record, model and request, is not
    asked again.

    Raises:
        PromptTemplateError: the template cannot be filled; nothing was asked.
        AnswerLogLineError: ``answers_path`` holds something else; nothing was asked.
        ModelUnavailableError: the model stayed cold, busy or throttled beyond ``patience``.
        ModelInvocationError: the model failed a question in another way.
        ResponseSchemaError: a response has no known shape.
    """
    started = time.monotonic()
    questions = [
        _question(model_arn, record, request_body(body_format, render(prompt_template, record), max_tokens))
        for record in records
    ]
    with AnswerLog(answers_path) as log:
        pending = [question for question in questions if question.key not in log.answers]
        _Interview(client, model_arn, patience, log).ask_all(pending, concurrency)
        answers = tuple(_answered(question.record, log.answers[question.key]) for question in questions)
    return EvaluationResult(
        model_arn=model_arn,
        prompt_template=prompt_template,
        max_tokens=max_tokens,
        body_format=body_format,
        answers=answers,
        asked=len(pending),
        seconds=time.monotonic() - started,
    )


def _question(model_arn: str, record: Record, body: dict[str, Any]) -> _Question:
    identity = json.dumps([model_arn, record.digest, body], sort_keys=True)
    return _Question(record, hashlib.sha256(identity.encode()).hexdigest(), json.dumps(body).encode())


def _answered(record: Record, logged: LoggedAnswer) -> AnsweredRecord:
    return AnsweredRecord(record, logged.answer, logged.latency_seconds)


class _Interview:
    """Asks questions in parallel and logs the answers; the first failure ends it."""

    def __init__(self, client: RuntimeClient, model_arn: str, patience: Patience, log: AnswerLog) -> None:
        self._client, self._model_arn, self._patience, self._log = client, model_arn, patience, log
        self._ended = Event()

    def ask_all(self, questions: Sequence[_Question], concurrency: int) -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            futures = [pool.submit(self._ask, question) for question in questions]
            try:
                for future in as_completed(futures):
                    future.result()
            finally:
                self._ended.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, question: _Question) -> None:
        index, deadline = question.record.index, self._patience.deadline_seconds
        try:
            self._log.append(self._retrying()(self._ask_once, question))
        except ClientError as error:
            if _is_worth_waiting_for(error):
                raise ModelUnavailableError(self._model_arn, index, deadline, str(error)) from error
            raise ModelInvocationError(self._model_arn, index, str(error)) from error
        except BotoCoreError as error:
            raise ModelInvocationError(self._model_arn, index, str(error)) from error

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(_is_worth_waiting_for),
            wait=wait_random_exponential(self._patience.first_pause_seconds, max=_LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(self._patience.deadline_seconds) | stop_when_event_set(self._ended),
            sleep=sleep_using_event(self._ended),
            reraise=True,
        )

    def _ask_once(self, question: _Question) -> LoggedAnswer:
        started = time.monotonic()
        response = self._client.invoke_model(
            modelId=self._model_arn, body=question.body, contentType="application/json", accept="application/json"
        )
        payload = response["body"].read()
        latency = time.monotonic() - started
        return LoggedAnswer(question.key, question.record.question, latency, read_answer(_parse(payload)))


def _parse(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError as error:
        raise ResponseSchemaError(f"no JSON: {error}") from error


def _is_worth_waiting_for(error: BaseException) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _WORTH_WAITING_FOR
