"""The log of a training job: the metrics that its new lines hold, and its end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

MOST_BYTES_AT_ONCE = 1 << 22
LONGEST_LINE = 1 << 14
"""So much of a line is searched for metrics."""


class JobLog:
    """The log of one attempt. ``metrics`` are the last values that the metric definitions found in it."""

    def __init__(self, path: Path, definitions: Iterable[Mapping[str, str]]) -> None:
        self.path = path
        self.metrics: dict[str, float] = {}
        self._patterns = [(each["Name"], re.compile(each["Regex"])) for each in definitions]
        self._read, self._rest = 0, b""

    def read_on(self) -> None:
        """Search what has been written since the last call."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(self._read)
            while new := log.read(MOST_BYTES_AT_ONCE):
                self._read += len(new)
                *lines, self._rest = (self._rest + new).split(b"\n")
                self._rest = self._rest[:LONGEST_LINE]
                self._search(lines)
        self._search([self._rest])

    def end(self, characters: int) -> str:
        """Return the last characters of the log."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as log:
            log.seek(max(0, self.path.stat().st_size - 4 * characters))
            return log.read().decode("utf-8", "replace").strip()[-characters:]

    def _search(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            text = line[:LONGEST_LINE].decode("utf-8", "replace")
            for name, pattern in self._patterns:
                if values := pattern.findall(text):
                    self.metrics[name] = float(values[-1])
