from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.response import StreamingBody

from include.evaluation.asking import Patience
from include.evaluation.dataset import Record
from include.evaluation.errors import (
    AnswerLogLineError,
    ModelInvocationError,
    ModelUnavailableError,
    NothingAnsweredError,
    PromptTemplateError,
)
from include.evaluation.invocation import Interview, Outcome, ask_all
from include.evaluation.pacing import ConcurrencyLimit
from include.evaluation.responses import Answer
from include.evaluation.results import PromptSettings

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
RECORDS = tuple(Record(index, f"question {index}", f"answer {index}") for index in range(20))
IMPATIENT = Patience(deadline_seconds=0.5, first_pause_seconds=0.01)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "not now"}}, "InvokeModel")


def response(body: Any) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"body": StreamingBody(io.BytesIO(content), len(content))}


class FakeRuntime:
    """A bedrock-runtime client that answers "question 7" with "answer 7", or as ``behave`` says."""

    def __init__(self, behave: Callable[[str], Any] | None = None) -> None:
        self.behave = behave
        self.asked: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def invoke_model(self, **request: Any) -> dict[str, Any]:
        prompt = json.loads(request["body"])["prompt"]
        with self._lock:
            self.asked[prompt] += 1
            self.requests.append(request)
        behaviour = self.behave(prompt) if self.behave else None
        if isinstance(behaviour, Exception):
            raise behaviour
        text = prompt.replace("question", "answer")
        return response(behaviour or {"generation": text, "prompt_token_count": 3, "generation_token_count": 2})


def run(
    client: FakeRuntime, folder: Path, records: tuple[Record, ...] = RECORDS, model_arn: str = ARN, **options: Any
) -> Interview:
    template, longest = options.pop("prompt_template", "{question}"), options.pop("max_tokens", 8)
    prompt = PromptSettings(body_format="OpenAICompletion", prompt_template=template, max_tokens=longest)
    options = {"prompt": prompt, "patience": IMPATIENT} | options
    return ask_all(client, model_arn, records, answers_path=folder / "run" / "answers.jsonl", **options)


def texts(result: Interview) -> list[str | None]:
    return [one.answer.text if one.answer else None for one in result.outcomes]


def statuses(result: Interview) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for outcome in result.outcomes:
        found.setdefault(outcome.status, []).append(outcome.record.index)
    return found


EXPECTED = [f"answer {index}" for index in range(len(RECORDS))]


def test_every_record_is_asked_once_and_the_answers_come_in_order(tmp_path: Path) -> None:
    client = FakeRuntime()
    result = run(client, tmp_path)
    assert texts(result) == EXPECTED
    assert [outcome.record for outcome in result.outcomes] == list(RECORDS)
    assert set(client.asked.values()) == {1}
    assert result.asked == 20
    assert all(outcome.latency_seconds is not None and outcome.answered_at for outcome in result.outcomes)


def test_the_request_names_the_model_and_asks_greedily(tmp_path: Path) -> None:
    client = FakeRuntime()
    run(client, tmp_path, RECORDS[:1], prompt_template="[INST] {question} [/INST]")
    (request,) = client.requests
    assert request["modelId"] == ARN
    assert json.loads(request["body"]) == {
        "prompt": "[INST] question 0 [/INST]",
        "max_tokens": 8,
        "temperature": 0.0,
    }


def test_a_second_run_asks_nothing_and_returns_the_same(tmp_path: Path) -> None:
    first = run(FakeRuntime(), tmp_path)
    client = FakeRuntime()
    second = run(client, tmp_path)
    assert not client.asked
    assert second.asked == 0
    assert second.outcomes == first.outcomes


@pytest.mark.parametrize(
    "change",
    [
        {"model_arn": ARN[:-1] + "m"},
        {"prompt_template": "Q: {question}"},
        {"max_tokens": 9},
        {"records": tuple(Record(record.index, record.question, "other") for record in RECORDS)},
    ],
)
def test_another_model_prompt_length_or_record_is_asked_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    run(FakeRuntime(), tmp_path)
    assert run(FakeRuntime(), tmp_path, **change).asked == 20


def test_a_grown_data_set_asks_only_what_is_new_wherever_it_was_put(tmp_path: Path) -> None:
    run(FakeRuntime(), tmp_path)
    new = Record(0, "question 99", "answer 99")
    grown = (new, *(Record(record.index + 1, record.question, record.answer) for record in RECORDS))
    result = run(FakeRuntime(), tmp_path, grown)
    assert result.asked == 1
    assert texts(result) == ["answer 99", *EXPECTED]


def test_the_same_record_twice_is_asked_once_and_counts_twice(tmp_path: Path) -> None:
    twice, client = (Record(0, "question 1", "answer 1"), Record(1, "question 1", "answer 1")), FakeRuntime()
    result = run(client, tmp_path, twice)
    assert texts(result) == ["answer 1", "answer 1"]
    assert [outcome.record for outcome in result.outcomes] == list(twice)
    assert client.asked["question 1"] == 1


@pytest.mark.parametrize("code", ["ModelNotReadyException", "ThrottlingException", "ServiceUnavailableException"])
def test_a_cold_or_throttled_model_is_waited_for(tmp_path: Path, code: str) -> None:
    client = FakeRuntime()
    client.behave = lambda prompt: refusal(code) if client.asked[prompt] <= 2 else None
    result = run(client, tmp_path, patience=Patience(deadline_seconds=30, first_pause_seconds=0.001))
    assert texts(result) == EXPECTED
    assert set(client.asked.values()) == {3}


def test_waiting_ends_at_the_deadline_and_says_for_what(tmp_path: Path) -> None:
    client = FakeRuntime(lambda prompt: refusal("ModelNotReadyException"))
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="ModelNotReadyException") as failed:
        run(client, tmp_path, RECORDS[:1])
    assert time.monotonic() - started < Patience().deadline_seconds / 10
    assert f"{ARN}, record 0" in str(failed.value)
    assert client.asked["question 0"] > 1


@pytest.mark.parametrize(
    ("failure", "status", "times"),
    [
        (refusal("ModelTimeoutException"), "timeout", 3),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1"), "timeout", 3),
        (refusal("ModelErrorException"), "error", 3),
        (refusal("InternalServerException"), "error", 3),
        (refusal("ValidationException"), "error", 1),
        (refusal("ThrottlingException"), "throttled", None),
        (ConnectionClosedError(endpoint_url="http://127.0.0.1"), "error", None),
    ],
)
def test_a_question_that_stays_without_an_answer_is_counted_and_the_others_are_answered(
    tmp_path: Path, failure: Exception, status: str, times: int | None
) -> None:
    client = FakeRuntime(lambda prompt: failure if prompt == "question 3" else None)
    result = run(client, tmp_path)
    assert statuses(result) == {"answered": [*range(3), *range(4, 20)], status: [3]}
    assert client.asked["question 3"] == times or (times is None and client.asked["question 3"] > 3)
    assert result.outcomes[3].answer is None
    assert str(failure) in result.outcomes[3].error


@pytest.mark.parametrize("failure", [refusal("ModelTimeoutException"), refusal("InternalServerException")])
def test_a_passing_failure_is_asked_again(tmp_path: Path, failure: Exception) -> None:
    client = FakeRuntime()
    client.behave = lambda prompt: failure if client.asked[prompt] == 1 else None
    assert texts(run(client, tmp_path)) == EXPECTED


@pytest.mark.parametrize("body", [b"<html>", {"completion": "Lima"}, [1]])
def test_a_response_that_cannot_be_read_is_the_records_error(tmp_path: Path, body: Any) -> None:
    client = FakeRuntime(lambda prompt: body if prompt == "question 3" else None)
    assert statuses(run(client, tmp_path))["error"] == [3]


def test_a_question_without_an_answer_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    broken = FakeRuntime(lambda prompt: refusal("ModelErrorException") if prompt == "question 15" else None)
    run(broken, tmp_path)
    client = FakeRuntime()
    assert texts(run(client, tmp_path)) == EXPECTED
    assert client.asked == {"question 15": 1}


@pytest.mark.parametrize("failure", [refusal("AccessDeniedException"), refusal("ResourceNotFoundException")])
def test_a_refusal_that_is_not_the_questions_ends_the_evaluation_at_once(tmp_path: Path, failure: ClientError) -> None:
    client = FakeRuntime(lambda prompt: failure if prompt == "question 3" else None)
    with pytest.raises(ModelInvocationError, match=failure.response["Error"]["Code"]) as failed:
        run(client, tmp_path)
    assert f"{ARN}, record 3" in str(failed.value)
    assert client.asked["question 3"] == 1


def test_a_model_that_answers_no_question_at_all_is_not_asked_for_ever(tmp_path: Path) -> None:
    many = tuple(Record(index, f"question {index}", "a") for index in range(500))

    def behave(_prompt: str) -> ClientError:
        time.sleep(0.02)
        return refusal("ValidationException")

    client = FakeRuntime(behave)
    with pytest.raises(NothingAnsweredError, match=r"20 failed, one of them with: .*ValidationException"):
        run(client, tmp_path, many)
    assert client.asked.total() < 250


def test_answers_of_an_earlier_report_are_not_asked_for_again(tmp_path: Path) -> None:
    known = [Outcome(RECORDS[3], "answered", Answer("known", "stop", 1, 1), 0.5), Outcome(RECORDS[4], "error")]
    client = FakeRuntime()
    result = run(client, tmp_path, known=known)
    assert result.asked == 19
    assert (result.outcomes[3], texts(result)[4]) == (known[0], "answer 4")


def test_one_failure_wakes_the_questions_that_wait(tmp_path: Path) -> None:
    client = FakeRuntime(
        lambda prompt: refusal("AccessDeniedException" if prompt == "question 1" else "ModelNotReadyException")
    )
    started = time.monotonic()
    with pytest.raises(ModelInvocationError):
        run(client, tmp_path, RECORDS[:2], patience=Patience(deadline_seconds=600, first_pause_seconds=15))
    assert time.monotonic() - started < 5


def test_answers_before_a_failure_are_kept(tmp_path: Path) -> None:
    broken = FakeRuntime(lambda prompt: refusal("AccessDeniedException") if prompt == "question 15" else None)
    with pytest.raises(ModelInvocationError):
        run(broken, tmp_path, concurrency=1)
    client = FakeRuntime()
    assert texts(run(client, tmp_path)) == EXPECTED
    asked = broken.asked + client.asked
    assert {prompt for prompt in asked if asked[prompt] > 1} == {"question 15"}


def test_a_template_that_cannot_be_filled_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    client = FakeRuntime()
    with pytest.raises(PromptTemplateError):
        run(client, tmp_path, prompt_template="no field")
    assert not client.asked


def test_an_answer_that_was_cut_off_in_writing_is_asked_again(tmp_path: Path) -> None:
    run(FakeRuntime(), tmp_path)
    path = tmp_path / "run" / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    assert run(FakeRuntime(), tmp_path).asked == 1
    assert run(FakeRuntime(), tmp_path).asked == 0


@pytest.mark.parametrize("line", ["not JSON", '{"key": "k"}', "[]", '{"answer": {"text": "a"}}'])
def test_a_file_of_something_else_is_not_taken_for_answers(tmp_path: Path, line: str) -> None:
    path = tmp_path / "run" / "answers.jsonl"
    path.parent.mkdir()
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(AnswerLogLineError, match="line 1"):
        run(FakeRuntime(), tmp_path)
    assert path.read_text(encoding="utf-8") == line + "\n"


def test_questions_are_asked_in_parallel(tmp_path: Path) -> None:
    together = threading.Barrier(
        4, timeout=10
    )  # breaks, and fails the run, unless four questions are under way at once

    def behave(_prompt: str) -> None:
        together.wait()

    assert texts(run(FakeRuntime(behave), tmp_path, concurrency=4)) == EXPECTED


def test_a_throttled_model_is_asked_less_at_a_time_and_more_again_when_it_answers() -> None:
    limit = ConcurrencyLimit(16)
    limit.answered(0.001)
    for _ in range(30):
        limit.throttled(1)
        time.sleep(0.15)
        if limit.current == 1:
            break
    assert limit.current == 1
    for _ in range(60):
        limit.answered(0.001)
    assert limit.current == 16


def test_throttled_calls_of_one_moment_shrink_the_limit_once() -> None:
    limit = ConcurrencyLimit(16)
    for _ in range(16):
        limit.throttled(1)
    assert limit.current == 12


class Crowd:
    """A model that takes so many questions at a time and throttles the others."""

    def __init__(self, room: int, seconds: float) -> None:
        self.room, self.seconds, self.under_way, self.throttled = room, seconds, 0, 0
        self.company: list[int] = []
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> Exception | None:
        with self._lock:
            if self.under_way >= self.room:
                self.throttled += 1
                return refusal("ThrottlingException")
            self.under_way += 1
            self.company.append(self.under_way)
        time.sleep(self.seconds)
        with self._lock:
            self.under_way -= 1
        return None


def test_a_model_that_takes_three_at_a_time_is_kept_busy_and_not_flooded(tmp_path: Path) -> None:
    crowd, records = Crowd(room=3, seconds=0.05), tuple(Record(index, f"question {index}", "a") for index in range(180))
    result = run(FakeRuntime(crowd), tmp_path, records, concurrency=24, patience=Patience())
    assert statuses(result) == {"answered": list(range(180))}
    assert sum(crowd.company) / len(crowd.company) > 2  # Asked one at a time it would be 1, never idle it is 3.
    assert crowd.throttled < 10 * 180
