from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from include.overview.memory import Memory


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
