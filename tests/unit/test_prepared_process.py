"""A question about untrusted data ends within its limits, and harms neither who asks nor the next question."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from include.limited_process import Limits
from include.prepared_process import PreparedProcess, ProcessNotStartedError

LIMITS = Limits(seconds=1, memory_bytes=2**28, output_bytes=2**16)


@pytest.fixture
def process() -> Iterator[PreparedProcess]:
    process = PreparedProcess("tests.support.answering", {"ADDED": "1"})
    yield process
    process.close()


@pytest.mark.parametrize(
    ("question", "ended"),
    [
        ("spin", "no end within 1 seconds of processor time"),
        ("fill the memory", "MemoryError"),
        ("fill the disk", "File too large"),
        ("panic", "Panic: the library panicked"),
    ],
)
def test_what_was_answered_before_the_end_is_kept_with_its_reason(
    question: str, ended: str, process: PreparedProcess
) -> None:
    values, why = process.ask(question, {"a": 1}, LIMITS)

    assert values == [{"a": 1}]
    assert ended in str(why)
    assert process.ask("echo", {"b": "\ud800"}, LIMITS) == ([{"b": "\ud800"}], None)


def test_a_question_that_waits_ends_by_the_clock(process: PreparedProcess) -> None:
    values, why = process.ask("wait", {}, LIMITS._replace(seconds=-9))  # the shortest waiting

    assert (values, why) == ([{}], "no end within 1 seconds")


def test_the_process_has_no_credentials_and_what_was_added(
    process: PreparedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    _, environment = process.ask("environment", {}, LIMITS).values

    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert environment["ADDED"] == "1"


def test_a_process_that_was_ended_is_started_again(process: PreparedProcess) -> None:
    process.ask("echo", {}, LIMITS)
    with pytest.raises(ProcessNotStartedError):
        process.ask("end the process", {}, LIMITS)

    assert process.ask("echo", {}, LIMITS).values == [{}]


def test_a_process_that_cannot_start_says_why() -> None:
    with pytest.raises(ProcessNotStartedError, match=r"No module named 'tests\.support\.absent'"):
        PreparedProcess("tests.support.absent", {}).ask("echo", {}, LIMITS)


def test_a_copy_of_the_caller_and_its_threads_ask_the_same_process(process: PreparedProcess) -> None:
    process.start()
    child = os.fork()
    if child == 0:
        os._exit(process.ask("echo", {"of": "child"}, LIMITS).values != [{"of": "child"}])
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda n=number: answers.append((n, process.ask("echo", {"n": n}, LIMITS).values)))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert os.waitpid(child, 0)[1] == 0
    assert sorted(answers) == [(number, [{"n": number}]) for number in range(8)]
