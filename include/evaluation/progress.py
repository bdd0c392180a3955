"""Report the progress of an evaluation: answers, failures, concurrency, time left."""

from __future__ import annotations

import logging
import time
from threading import Lock

log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 10.0


class AnswerProgress:
    """Thread-safe count of finished questions, logged every ten seconds and at the end."""

    def __init__(self, total: int, pending: int) -> None:
        self._total, self._pending = total, pending
        self._settled = self._failed = 0
        self._started = self._last = time.monotonic()
        self._lock = Lock()

    def settle(self, *, answered: bool, concurrency: int) -> None:
        """Count a question whose outcome is known."""
        with self._lock:
            self._settled += 1
            self._failed += not answered
            now = time.monotonic()
            if self._settled == self._pending or now - self._last >= _INTERVAL_SECONDS:
                self._last = now
                log.info("%s", self._line(now - self._started, concurrency))

    def _line(self, elapsed: float, concurrency: int) -> str:
        done, left = self._total - self._pending + self._settled, self._pending - self._settled
        time_left = f"about {left * elapsed / self._settled:.0f} s left" if left else f"{elapsed:.0f} s"
        return f"{done} of {self._total} records, {self._failed} failed, {concurrency} at a time, {time_left}"
