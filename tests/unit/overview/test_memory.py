from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from include.overview.memory import LEAST_AGE, Memory


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Aws:
    """Counts how often it is asked, and may be out of order."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False

    def ask(self) -> int:
        self.asked += 1
        if self.broken:
            raise ConnectionError("AWS does not answer")
        return self.asked


def test_what_was_read_is_shown_until_it_is_too_old() -> None:
    clock, aws = Clock(), Aws()
    memory = Memory(10, clock)
    assert memory.read("a", 60, aws.ask).value == 1
    clock.now = 60
    assert memory.read("a", 60, aws.ask).value == 1
    clock.now = 61
    assert memory.read("a", 60, aws.ask).value == 2


def test_however_impatient_somebody_is_aws_is_not_asked_all_the_time() -> None:
    clock, aws = Clock(), Aws()
    memory = Memory(10, clock)
    for _ in range(100):
        memory.read("a", 0, aws.ask)
    assert aws.asked == 1
    clock.now = LEAST_AGE + 0.1
    assert memory.read("a", 0, aws.ask).value == 2


def test_of_many_that_want_the_same_at_once_one_asks() -> None:
    memory, release = Memory(10), Event()
    asked = []

    def ask() -> int:
        asked.append(1)
        release.wait(5)
        return 7

    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(memory.read, "a", 60, ask) for _ in range(6)]
        release.set()
        assert {answer.result().value for answer in answers} == {7}
    assert len(asked) == 1


def test_when_aws_fails_the_old_reading_is_shown_with_the_error() -> None:
    clock, aws = Clock(), Aws()
    memory = Memory(10, clock)
    first = memory.read("a", 60, aws.ask)
    clock.now, aws.broken = 100, True
    later = memory.read("a", 60, aws.ask)
    assert (later.value, later.read_at) == (first.value, first.read_at)
    assert "does not answer" in later.error
    aws.broken = False
    assert memory.read("a", 60, aws.ask).error == ""


def test_when_nothing_is_remembered_the_error_is_raised_and_the_next_reader_asks_again() -> None:
    aws = Aws()
    memory = Memory(10)
    aws.broken = True
    with pytest.raises(ConnectionError):
        memory.read("a", 60, aws.ask)
    aws.broken = False
    assert memory.read("a", 60, aws.ask).value == 2


def test_no_more_is_remembered_than_allowed_and_the_least_used_goes_first() -> None:
    memory, aws = Memory(2), Aws()
    memory.read("a", 60, aws.ask)
    memory.read("b", 60, aws.ask)
    memory.read("a", 60, aws.ask)
    memory.read("c", 60, aws.ask)
    assert memory.read("a", 60, aws.ask).value == 1
    assert memory.read("b", 60, aws.ask).value == 4


def test_what_is_known_is_told_without_asking_and_with_whether_it_is_old() -> None:
    clock, aws = Clock(), Aws()
    memory = Memory(10, clock)
    assert memory.known("a", 60) is None
    memory.read("a", 60, aws.ask)
    clock.now = 60
    known = memory.known("a", 60)
    assert known is not None
    assert (known.value, known.old) == (1, False)
    clock.now = 3600
    known = memory.known("a", 60)
    assert known is not None
    assert (known.value, known.old) == (1, True)
    assert aws.asked == 1


def test_what_is_known_is_told_even_while_somebody_asks_anew() -> None:
    clock, goes_on, asking = Clock(), Event(), Event()
    memory = Memory(10, clock)
    memory.read("a", 60, lambda: "before")
    clock.now = 3600

    def slow() -> str:
        asking.set()
        assert goes_on.wait(30)
        return "after"

    with ThreadPoolExecutor(1) as pool:
        renewed = pool.submit(memory.read, "a", 60, slow)
        assert asking.wait(30)
        known = memory.known("a", 60)
        goes_on.set()
    assert known is not None
    assert known.value == "before"
    assert renewed.result().value == "after"
