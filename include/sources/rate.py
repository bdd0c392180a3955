"""A bandwidth limit shared by several threads."""

from __future__ import annotations

import threading
import time


class RateLimit:
    """Limit callers to ``bytes_per_second``; None means no limit."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def take(self, count: int) -> None:
        """Wait until these bytes may be transferred."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + count / self._rate
        time.sleep(begin - now)


UNLIMITED = RateLimit(None)
