"""Report the progress of long work: files or tensors, bytes, rate and time left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

# Called with pieces done, pieces in all, bytes done, bytes in all; a piece is a file or a tensor.
Progress = Callable[[int, int, int, int], None]

log = logging.getLogger(__name__)


def no_progress(done: int, total: int, bytes_done: int, bytes_total: int) -> None:
    """Report nothing."""


class LogProgress:
    """Reports at most every ``interval`` seconds, and at the end, through ``report`` (by default the log)."""

    def __init__(
        self,
        doing: str = "Progress",
        pieces: str = "files",
        interval: float = 5.0,
        report: Callable[[str], None] = log.info,
    ) -> None:
        self._doing = doing
        self._pieces = pieces
        self._interval = interval
        self._report = report
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int, bytes_done: int, bytes_total: int) -> None:
        now = time.monotonic()
        finished = bytes_done >= bytes_total and done >= total
        if finished or now - self._last >= self._interval:
            self._last = now
            elapsed = max(now - self._start, 1e-9)
            counts = f"{done} of {total} {self._pieces}"
            self._report(f"{self._doing}: {counts}, {describe(bytes_done, bytes_total, elapsed)}")


def describe(bytes_done: int, bytes_total: int, elapsed: float) -> str:
    """Return bytes, rate, and the time left or taken."""
    rate = bytes_done / elapsed
    counts = f"{bytes_done / 1e6:,.1f} of {bytes_total / 1e6:,.1f} MB"
    left = f"{(bytes_total - bytes_done) / rate:.0f} s left" if 0 < bytes_done < bytes_total else f"{elapsed:.1f} s"
    return f"{counts}, {rate / 1e6:,.0f} MB/s, {left}"
