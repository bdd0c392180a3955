"""Answers for the tests of PreparedProcess: what untrusted data can make a library do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any


class Panic(BaseException):
    """What no ``except Exception`` catches, such as a panic of a library in Rust."""


def prepare() -> None:
    """Import nothing."""


def prepare_for(job: dict[str, Any]) -> None:
    """Import nothing."""


def answer(question: str, job: dict[str, Any]) -> Iterator[Any]:
    """Yield the job, and do what the question says."""
    yield job
    if question == "spin":
        while True:
            pass
    if question == "wait":
        signal.pause()
    if question == "fill the memory":
        yield len(bytearray(10**11))
    if question == "fill the disk":
        yield "x" * 10**6
    if question == "panic":
        raise Panic("the library panicked")
    if question == "environment":
        yield dict(os.environ)
    if question == "end the process":
        os.kill(os.getppid(), signal.SIGKILL)
