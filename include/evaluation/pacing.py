"""How many questions are under way at once: less when the model throttles, more when it answers."""

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
    """A limit that grows by steps and shrinks by a share (AIMD, as TCP's congestion window), for several threads.

    The usual latency of an answer is its clock: within one latency of answers the limit grows by a quarter of its
    highest value, and however many calls are throttled within one, it shrinks once, by a quarter of its value. So it
    settles near what the model takes, and calls that are throttled whatever the load do not drive it to one.
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
        """How many calls may be under way."""
        return max(1, int(self._limit))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until another call may be under way, and count it for as long as the ``with`` block lasts."""
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
        """Note an answer."""
        with self._changed:
            self._latency += _LATENCY_WEIGHT * (latency_seconds - self._latency)
            self._limit = min(self._highest, self._limit + self._step / self._limit)
            self._changed.notify()

    def throttled(self, times: int) -> float:
        """Note that a question was throttled for the ``times``-th time; return the seconds to wait with it.

        The first pauses are a part of an answer's latency, since the limit does the work; later ones double.
        """
        with self._changed:
            now = time.monotonic()
            if now - self._shrunk_at >= self._latency:
                self._limit, self._shrunk_at = max(1.0, self._limit * _DECREASE), now
            return pause(self._latency / 4, times - _EVEN_PAUSES)


def pause(first_seconds: float, times: int) -> float:
    """Return the seconds to wait after so many failures: doubling from the first, up to 15, with jitter."""
    longest: float = min(LONGEST_PAUSE_SECONDS, first_seconds * 2 ** min(max(0, times - 1), 32))
    return longest * random.uniform(0.5, 1.0)
