"""Adapt the number of concurrent questions: fewer when the model throttles, more when it answers."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

_DECREASE = 0.75
_INCREASES_TO_THE_HIGHEST = 4
_FIRST_LATENCY_SECONDS = 0.5
_LATENCY_WEIGHT = 0.2
_EVEN_PAUSES = 3
LONGEST_PAUSE_SECONDS = 15.0


class ConcurrencyLimit:
    """A thread-safe concurrency limit with additive increase and multiplicative decrease, as in TCP.

    The smoothed latency of the answers is its clock: per latency of answered calls the limit grows by a quarter of its
    highest value, and it shrinks at most once per latency, by a quarter of its value, however many calls are throttled.
    So it settles near the model's capacity, and calls that are throttled at any load do not push it down to one.
    """

    def __init__(self, highest: int) -> None:
        self._highest, self._limit = highest, float(highest)
        self._step = highest / _INCREASES_TO_THE_HIGHEST
        self._under_way = 0
        self._latency = _FIRST_LATENCY_SECONDS
        self._shrunk_at = float("-inf")
        self._changed = Condition()

    @property
    def current(self) -> int:
        """The number of calls that may be in flight."""
        return max(1, int(self._limit))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until another call may start, and count it as in flight for the duration of the ``with`` block."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self.current)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def answered(self, latency_seconds: float) -> None:
        """Record an answered call."""
        with self._changed:
            self._latency += _LATENCY_WEIGHT * (latency_seconds - self._latency)
            self._limit = min(self._highest, self._limit + self._step / self._limit)
            self._changed.notify()

    def throttled(self, times: int) -> float:
        """Record that a question was throttled for the ``times``-th time, and return the seconds to wait.

        The first pauses are a fraction of the latency, since the limit does the work; later ones double.
        """
        with self._changed:
            now = time.monotonic()
            if now - self._shrunk_at >= self._latency:
                self._limit, self._shrunk_at = max(1.0, self._limit * _DECREASE), now
            return pause(self._latency / 4, times - _EVEN_PAUSES)


def pause(first_seconds: float, times: int) -> float:
    """Return the seconds to wait after this many failures: exponential with jitter, at most 15."""
    longest: float = min(LONGEST_PAUSE_SECONDS, first_seconds * 2 ** min(max(0, times - 1), 32))
    return longest * random.uniform(0.5, 1.0)
