"""Report how far the preparation is: what was done, how fast, and the time left where the total is known."""

from __future__ import annotations

import time
from collections.abc import Callable

Report = Callable[[str], None]
INTERVAL_SECONDS = 5.0


class StageProgress:
    """Reports a stage at most every ``INTERVAL_SECONDS``, and when it is done."""

    def __init__(self, report: Report, stage: str, unit: str, total: int | None = None) -> None:
        self._report, self._stage, self._unit, self._total = report, stage, unit, total
        self._started = self._last = time.monotonic()

    def update(self, done: int) -> None:
        """Report if it is time."""
        now = time.monotonic()
        if now - self._last >= INTERVAL_SECONDS:
            self._last = now
            self._report(self._line(done, now - self._started, is_done=False))

    def finish(self, done: int) -> None:
        """Report the stage's total."""
        self._report(self._line(done, time.monotonic() - self._started, is_done=True))

    def _line(self, done: int, elapsed: float, *, is_done: bool) -> str:
        rate = done / max(elapsed, 1e-9)
        total = f" of {self._total:,}" if self._total and not is_done else ""
        left = f", about {(self._total - done) / rate:.0f} s left" if total and self._total and rate else ""
        return f"{self._stage}: {done:,}{total} {self._unit}, {rate:,.0f} a second, {elapsed:.1f} s{left}"
