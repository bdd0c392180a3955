"""A bounded cache with a time to live, in which concurrent readers of one key share one request."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from threading import BoundedSemaphore, Lock
from typing import Any, Generic, NamedTuple, TypeVar

from include.errors import ModelImportError

log = logging.getLogger(__name__)

Value = TypeVar("Value")
MOST_READERS = 8
#: How long a reader waits for one that reads already, in seconds.
PATIENCE = 30.0


class AwsBusyError(ModelImportError):
    """Too many reads are in progress."""

    def __init__(self) -> None:
        super().__init__("AWS is being asked about too much at once", remedy="Try again in a moment.")


class Reading(NamedTuple, Generic[Value]):
    """A value and the time of its read; ``error`` says why a stale value could not be refreshed."""

    value: Value
    read_at: datetime
    error: str = ""


class _Entry:
    def __init__(self) -> None:
        self.lock = Lock()
        self.reading: Reading[Any] | None = None
        self.at = 0.0


class Memory:
    """Cached values by key; beyond ``most``, the least recently used are evicted."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = Lock()
        self._readers = BoundedSemaphore(MOST_READERS)

    def read(self, key: Hashable, max_age: float, ask: Callable[[], Value]) -> Reading[Value]:
        """Return what ``ask`` returns, or what it returned at most ``max_age`` seconds ago.

        Of several threads that ask for the same key, one calls it. When the call fails and an older value exists, that
        value is returned together with the error.

        Raises:
            AwsBusyError: too many reads are in progress.
            Exception: whatever ``ask`` raises, when nothing is cached.
        """
        entry = self._entry(key)
        if not entry.lock.acquire(timeout=PATIENCE):
            raise AwsBusyError
        try:
            if entry.reading is None or self._clock() - entry.at > max_age:
                self._renew(entry, ask)
            reading: Reading[Value] | None = entry.reading
        finally:
            entry.lock.release()
        if reading is None:
            raise AwsBusyError
        return reading

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
            return entry

    def _renew(self, entry: _Entry, ask: Callable[[], Any]) -> None:
        if not self._readers.acquire(timeout=PATIENCE):
            raise AwsBusyError
        try:
            entry.reading, entry.at = Reading(ask(), datetime.now(UTC)), self._clock()
        except Exception as error:  # whatever it is, an old reading is better than none
            if entry.reading is None:
                raise
            log.warning("showing what was read at %s: %s", entry.reading.read_at, error)
            entry.reading = entry.reading._replace(error=str(error))
        finally:
            self._readers.release()
