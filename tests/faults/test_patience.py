"""What passes only delays a run: one run meets all of it, one fault after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.conftest import Stage, Start
from tests.faults.installation import Installation
from tests.faults.outcomes import assert_imported_once
from tests.faults.runs import Run

A_MINUTE = 60.0
NO_ANSWER = "No answer about"
#: In this order, each until the operator sees it: botocore repeats throttled, broken and unlucky calls five times.
AT_THE_CREATION: dict[str, tuple[dict[str, Any], str]] = {
    "The role is not yet known to Bedrock": (
        {"code": "ValidationException", "message": "The provided role ARN is invalid: too new."},
        "BedrockRequestRefusedError",
    ),
    "The quota is full, then free": ({"code": "ServiceQuotaExceededException"}, "(ServiceQuotaExceededException)"),
    "The creation meets a conflict": ({"code": "ConflictException"}, "(ConflictException)"),
    "The creation is throttled": ({"calls": 5}, "(ThrottlingException)"),
    "The creation meets an outage": (
        {"code": "ServiceUnavailableException", "calls": 5},
        "(ServiceUnavailableException)",
    ),
    "The job is created, its answer is lost": ({"connection": "drop_after", "calls": 5}, "Adopted model import job"),
}


@contextmanager
def _stopped(installation: Installation) -> Iterator[None]:
    stand_in = installation.process("local-aws")
    stand_in.suspend()
    try:
        yield
    finally:
        stand_in.resume()


@contextmanager
def _shut(installation: Installation) -> Iterator[None]:
    installation.gate.shut()
    try:
        yield
    finally:
        installation.gate.open()


def _throttle(installation: Installation, run: Run) -> None:
    began = time.monotonic()
    installation.script("fail-calls", seconds=A_MINUTE + 5)
    run.wait_for_poll()
    assert time.monotonic() - began > A_MINUTE


def _shut_down(installation: Installation, run: Run) -> None:
    with _shut(installation):
        time.sleep(A_MINUTE)
        assert NO_ANSWER in run.log_files("wait_for_import")


def _hang(installation: Installation, run: Run) -> None:
    with _stopped(installation):
        time.sleep(A_MINUTE)


def _expire(installation: Installation, run: Run) -> None:
    installation.script("expire-key", access_key_id="old")
    run.wait_for_poll("ExpiredTokenException")
    installation.write_credentials("new")


def _fail_inside(installation: Installation, run: Run) -> None:
    installation.script("fail-calls", operation="GetModelImportJob", code="InternalServerException", calls=5)
    run.wait_for_poll(NO_ANSWER)


def _lose_answers(installation: Installation, run: Run) -> None:
    installation.script("fail-calls", operation="GetModelImportJob", connection="drop_after", calls=15)
    run.wait_for_poll(NO_ANSWER)


DURING_THE_WAIT = {
    "All of Bedrock throttles for 65 s while the import is waited for": _throttle,
    "The endpoint is down for a minute while the import is waited for": _shut_down,
    "The endpoint hangs for a minute while the import is waited for": _hang,
    "The credentials expire while the import is waited for, and are renewed": _expire,
    "Bedrock fails inside while the import is waited for": _fail_inside,
    "Answers are lost while the import is waited for": _lose_answers,
}


@pytest.mark.timeout(1800)
def test_one_run_outlives_everything_that_passes(installation: Installation, start: Start, stage: Stage) -> None:
    installation.write_credentials("old")
    installation.script("hold-imports")
    for fault, _ in AT_THE_CREATION.values():
        installation.script("fail-calls", operation="CreateModelImportJob", **fault)
    run = start("import_rotating")
    run.wait_for_task("free_model_slot", "success", "skipped")
    for sentence, (_, words) in AT_THE_CREATION.items():
        with stage(sentence):
            run.wait_for_line("create_import_job", words)
    run.wait_for_task("wait_for_import", "deferred")
    for sentence, fault_of in DURING_THE_WAIT.items():
        with stage(sentence):
            fault_of(installation, run)
            run.wait_for_poll()
    with stage("The triggerer is killed while it waits, and the import ends before it is back"):
        installation.kill("triggerer")
        installation.script("cold", seconds=10)
        installation.script("release-imports")
        installation.wait_until_no_import_runs()
        installation.start("triggerer")
        run.wait_for_task("wait_for_import", "success")
    with stage("The model is throttled and fails while it is evaluated"):
        run.wait_for_task("warm_up", "success")
        for code in ("ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException"):
            installation.script("fail-calls", operation="InvokeModel", code=code, calls=4)
        run.wait_for_task("evaluate_model", "success")
    with stage("The endpoint is down for some seconds while the version is registered"):
        run.wait_for_task("register_version", "running", "success")
        with _shut(installation):
            time.sleep(5)
        assert_imported_once(run)
