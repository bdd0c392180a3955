"""A cache of sources on the local disk: keyed by content, bounded in size, shared by several workers."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from include.checkpoint.files.atomic import sync
from include.checkpoint.writing.disk import named_when_full
from include.sources.errors import CacheFullError

log = logging.getLogger(__name__)

# A run's later tasks read what its first one fetched; what was used this recently is not removed.
PROTECTED_SECONDS = 3600.0


class CacheEntry(NamedTuple):
    """A fetched source: its folder, and the notes recorded while it was fetched."""

    folder: Path
    notes: tuple[str, ...]


class SourceCache:
    """Keep at most ``max_bytes`` of fetched sources under ``root``; the least recently used are evicted first."""

    def __init__(self, root: Path, max_bytes: int, protected_seconds: float = PROTECTED_SECONDS) -> None:
        self.max_bytes = max_bytes
        self._root = root
        self._protected_seconds = protected_seconds

    def get(self, key: str, fill: Callable[[Path], tuple[str, ...]], least_size: int = 0) -> CacheEntry:
        """Return the entry of this key; when there is none, ``fill`` writes its files to a folder and returns notes.

        Only one worker fills an entry, the others wait for it. An entry that could not be filled leaves nothing.
        ``least_size`` is a lower bound of its size; nothing is fetched when there is no room for that.

        Raises:
            CacheFullError: there is no room, and all entries are in use.
            DiskFilledError: the disk is full before the cache is.
        """
        with self._locked(key):
            entry = self._root / key
            if not entry.is_dir():
                with self._locked("room"):
                    self._make_room(least_size)
                with named_when_full(self._root):
                    self._fill(entry, fill)
            os.utime(entry)
            return CacheEntry(entry / "files", tuple(json.loads((entry / "notes.json").read_text())))

    def _fill(self, entry: Path, fill: Callable[[Path], tuple[str, ...]]) -> None:
        filling = self._root / f"{entry.name}.filling"
        shutil.rmtree(filling, ignore_errors=True)  # what a killed worker left
        try:
            (filling / "files").mkdir(parents=True)
            notes = fill(filling / "files")
            (filling / "notes.json").write_text(json.dumps(notes))
            _sync_tree(filling)
            with self._locked("room"):
                self._make_room(_size(filling))
                filling.rename(entry)
        finally:
            shutil.rmtree(filling, ignore_errors=True)

    def _make_room(self, wanted: int) -> None:
        entries = [path for path in self._root.iterdir() if path.is_dir() and path.suffix != ".filling"]
        sizes = {path: _size(path) for path in sorted(entries, key=lambda path: path.stat().st_mtime)}
        for path in sizes:
            if sum(sizes.values()) + wanted <= self.max_bytes:
                break
            if time.time() - path.stat().st_mtime > self._protected_seconds:
                log.info("Removing %s from the cache", path)
                shutil.rmtree(path)
                sizes[path] = 0
        if sum(sizes.values()) + wanted > self.max_bytes:
            in_use = sum(1 for size in sizes.values() if size)
            raise CacheFullError(str(self._root), self.max_bytes, wanted, in_use, self._protected_seconds)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        # The lock goes with the process, so a killed worker leaves none.
        self._root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync(path)
