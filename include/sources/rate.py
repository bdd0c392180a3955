"""A limit of bytes per second that several threads share."""

from __future__ import annotations

import threading
import time


class RateLimit:
    """Lets callers take bytes no faster than ``bytes_per_second``; None lets them take any number at once."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def take(self, count: int) -> None:
        """Wait until the bytes taken before have had their time, so that the link is free for these."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + count / self._rate
        time.sleep(begin - now)


UNLIMITED = RateLimit(None)
