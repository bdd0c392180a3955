"""One answer of a gateway, or of expired credentials, among the answers; asked through boto3 over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config

from include.aws.transient import transient_cause
from include.evaluation.asking import Patience
from include.evaluation.dataset import Record
from include.evaluation.errors import ModelInvocationError, NothingAnsweredError
from include.evaluation.invocation import Interview, ask_all
from include.evaluation.results import PromptSettings

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
RECORDS = [Record(index, f"question {index}", "yes") for index in range(8)]
PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=4)


class Fault(NamedTuple):
    """An answer that is none; ``code`` is empty where a gateway answers in HTML."""

    status: int
    code: str = ""
    body: bytes = b'{"message": "not now"}'


GATEWAY = [Fault(status, body=f"<html><h1>{status}</h1></html>".encode()) for status in (429, 502, 503, 504)]
SERVICE = [Fault(500, "InternalFailure"), Fault(429, "TooManyRequestsException"), Fault(408, "RequestTimeoutException")]


class Bedrock(ThreadingHTTPServer):
    """Answers "yes", but the calls that are due with the fault."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = Fault(500)
        self.faulty_calls = range(0)
        self.calls = 0
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    server: Bedrock

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.calls += 1
            due = self.server.calls in self.server.faulty_calls
        answered = json.dumps({"choices": [{"text": "yes", "finish_reason": "stop"}]}).encode()
        status, code, body = self.server.fault if due else Fault(200, "", answered)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Bedrock]:
    with Bedrock() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def runtime(bedrock: Bedrock) -> Any:
    return boto3.client(
        "bedrock-runtime", endpoint_url=f"http://127.0.0.1:{bedrock.server_port}", region_name="us-east-1",
        aws_access_key_id="a", aws_secret_access_key="b", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


def ask(bedrock: Bedrock, runtime: Any, folder: Path, fault: Fault, faulty_calls: range) -> Interview:
    bedrock.fault, bedrock.faulty_calls, bedrock.calls = fault, faulty_calls, 0
    patience = Patience(deadline_seconds=30, first_pause_seconds=0.01)
    return ask_all(
        runtime, ARN, RECORDS, PROMPT, answers_path=folder / "answers.jsonl", concurrency=2, patience=patience
    )


@pytest.mark.parametrize("fault", GATEWAY + SERVICE, ids=str)
def test_a_fault_among_the_answers_passes(bedrock: Bedrock, runtime: Any, tmp_path: Path, fault: Fault) -> None:
    interview = ask(bedrock, runtime, tmp_path, fault, range(3, 8))
    assert [outcome.status for outcome in interview.outcomes] == ["answered"] * len(RECORDS)


def test_expired_credentials_end_the_try_and_the_next_one_asks_only_what_is_left(
    bedrock: Bedrock, runtime: Any, tmp_path: Path
) -> None:
    with pytest.raises(ModelInvocationError) as caught:
        ask(bedrock, runtime, tmp_path, Fault(403, "ExpiredTokenException"), range(5, 100))
    assert transient_cause(caught.value) is caught.value.__cause__ is not None
    assert ask(bedrock, runtime, tmp_path, Fault(403), range(0)).asked == 4


def test_a_service_that_fails_all_questions_is_named_as_the_cause(
    bedrock: Bedrock, runtime: Any, tmp_path: Path
) -> None:
    with pytest.raises(NothingAnsweredError) as caught:
        ask(bedrock, runtime, tmp_path, Fault(500, "InternalServerException"), range(100))
    assert transient_cause(caught.value) is not None
    with pytest.raises(NothingAnsweredError) as caught:
        ask(bedrock, runtime, tmp_path, Fault(400, "ValidationException"), range(100))
    assert transient_cause(caught.value) is None
