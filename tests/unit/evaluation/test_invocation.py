from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody

from include.evaluation.dataset import Record
from include.evaluation.errors import (
    AnswerLogLineError,
    ModelInvocationError,
    ModelUnavailableError,
    PromptTemplateError,
    ResponseSchemaError,
)
from include.evaluation.invocation import EvaluationResult, Patience, evaluate

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
RECORDS = tuple(Record(index, f"question {index}", f"answer {index}") for index in range(20))
IMPATIENT = Patience(deadline_seconds=0.3, first_pause_seconds=0.01)


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
) -> EvaluationResult:
    options = {"prompt_template": "{question}", "max_tokens": 8, "patience": IMPATIENT} | options
    return evaluate(client, model_arn, records, answers_path=folder / "run" / "answers.jsonl", **options)


def texts(result: EvaluationResult) -> list[str]:
    return [answered.answer.text for answered in result.answers]


EXPECTED = [f"answer {index}" for index in range(len(RECORDS))]


def test_every_record_is_asked_once_and_the_answers_come_in_order(tmp_path: Path) -> None:
    client = FakeRuntime()
    result = run(client, tmp_path)
    assert texts(result) == EXPECTED
    assert [answered.record for answered in result.answers] == list(RECORDS)
    assert set(client.asked.values()) == {1}
    assert result.asked == 20
    assert all(answered.latency_seconds >= 0 for answered in result.answers)


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
    assert second.answers == first.answers


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


def test_the_same_record_twice_has_two_answers(tmp_path: Path) -> None:
    twice = (Record(0, "question 1", "answer 1"), Record(1, "question 1", "answer 1"))
    assert texts(run(FakeRuntime(), tmp_path, twice)) == ["answer 1", "answer 1"]


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
    assert time.monotonic() - started < 5
    assert f"{ARN}, record 0" in str(failed.value)
    assert client.asked["question 0"] > 1


@pytest.mark.parametrize(
    "failure", [refusal("ValidationException"), refusal("AccessDeniedException"), refusal("ModelErrorException")]
)
def test_a_refusal_that_waiting_does_not_cure_fails_at_once(tmp_path: Path, failure: ClientError) -> None:
    client = FakeRuntime(lambda prompt: failure if prompt == "question 3" else None)
    with pytest.raises(ModelInvocationError, match=failure.response["Error"]["Code"]) as failed:
        run(client, tmp_path)
    assert f"{ARN}, record 3" in str(failed.value)
    assert client.asked["question 3"] == 1


def test_a_broken_connection_fails_as_an_invocation(tmp_path: Path) -> None:
    client = FakeRuntime(lambda prompt: ReadTimeoutError(endpoint_url="http://127.0.0.1"))
    with pytest.raises(ModelInvocationError, match="Read timeout"):
        run(client, tmp_path)


def test_one_failure_wakes_the_questions_that_wait(tmp_path: Path) -> None:
    client = FakeRuntime(
        lambda prompt: refusal("ValidationException" if prompt == "question 1" else "ThrottlingException")
    )
    started = time.monotonic()
    with pytest.raises(ModelInvocationError):
        run(client, tmp_path, RECORDS[:2], patience=Patience(deadline_seconds=600, first_pause_seconds=15))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("body", [b"<html>", {"completion": "Lima"}, [1]])
def test_a_response_that_cannot_be_read_fails(tmp_path: Path, body: Any) -> None:
    with pytest.raises(ResponseSchemaError):
        run(FakeRuntime(lambda prompt: body), tmp_path)


def test_answers_before_a_failure_are_kept(tmp_path: Path) -> None:
    broken = FakeRuntime(lambda prompt: refusal("ValidationException") if prompt == "question 15" else None)
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


DIE_AFTER_TWELVE = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("test_invocation", sys.argv[1])
tests = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = tests
spec.loader.exec_module(tests)
asked = Path(sys.argv[2]) / "asked"
def behave(prompt):
    if client.asked.total() > 12:
        os.kill(os.getpid(), signal.SIGKILL)
    with asked.open("a") as file:
        file.write(prompt + "\\n")
client = tests.FakeRuntime(behave)
tests.run(client, Path(sys.argv[2]), concurrency=1)
"""


def test_after_kill_9_the_rest_is_asked_once_and_the_result_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DIE_AFTER_TWELVE, __file__, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    asked_before = (tmp_path / "asked").read_text().splitlines()
    assert len(asked_before) == 12

    client = FakeRuntime()
    result = run(client, tmp_path)
    assert Counter(asked_before) + client.asked == Counter(record.question for record in RECORDS)
    undisturbed = run(FakeRuntime(), tmp_path / "undisturbed")
    assert [(one.record, one.answer) for one in result.answers] == [
        (one.record, one.answer) for one in undisturbed.answers
    ]


def test_questions_are_asked_in_parallel(tmp_path: Path) -> None:
    together = threading.Barrier(
        4, timeout=10
    )  # breaks, and fails the run, unless four questions are under way at once

    def behave(_prompt: str) -> None:
        together.wait()

    assert texts(run(FakeRuntime(behave), tmp_path, concurrency=4)) == EXPECTED
