"""Count files and bytes from several threads."""

from __future__ import annotations

import threading

from include.checkpoint.writing.progress import Progress


class Tally:
    """The bytes sent, copied inside S3 and found there, and the overall progress."""

    def __init__(self, progress: Progress, files: int, size: int) -> None:
        self.sent = self.copied = self.reused = 0
        self._progress = progress
        self._files, self._size = files, size
        self._files_done = 0
        self._lock = threading.Lock()

    def add(self, *, sent: int = 0, copied: int = 0, reused: int = 0, files: int = 0) -> None:
        """Count and report progress; thread-safe."""
        with self._lock:
            self.sent += sent
            self.copied += copied
            self.reused += reused
            self._files_done += files
            self._progress(self._files_done, self._files, self.sent + self.copied + self.reused, self._size)
