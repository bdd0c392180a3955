"""Fingerprint a run's inputs by the content of their files, independent of their location."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from include.sources.checksum_memory import ChecksumMemory
from include.sources.errors import SourceEmptyError, SourceFileChangedError, SourceFolderMissingError
from include.sources.selection import is_checkpoint_file

READ_SIZE = 4 * 2**20
# A file that was written this recently could be written again without its mtime changing.
SETTLED_AFTER_NS = 2 * 10**9


class SourceFile(NamedTuple):
    """A checkpoint file identified by its content; ``name`` is relative to the checkpoint's folder."""

    name: str
    size: int
    crc64nvme: int


def fingerprint(
    base_files: Iterable[SourceFile], adapter_files: Iterable[SourceFile], options: Mapping[str, str]
) -> str:
    """Return 64 hexadecimal digits that identify these inputs.

    The same files and options give the same digits, in any order and from any location.
    """
    identity = {"base": sorted(base_files), "adapter": sorted(adapter_files), "options": dict(options)}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def describe_folder(folder: Path, cache_dir: Path | None = None) -> tuple[SourceFile, ...]:
    """Return the checkpoint's files in ``folder``, by name.

    Checksums are remembered in ``cache_dir`` by path, size, mtime and inode, so that an unchanged folder costs only
    stat calls.

    Raises:
        SourceFolderMissingError: there is no such folder.
        SourceEmptyError: it holds no file of a checkpoint.
        SourceFileChangedError: a file changed while it was read.
    """
    if not folder.is_dir():
        raise SourceFolderMissingError(str(folder))
    paths = sorted(path for path in folder.iterdir() if is_checkpoint_file(path.name) and path.is_file())
    if not paths:
        raise SourceEmptyError(str(folder), f"{sum(1 for _ in folder.iterdir())} other files and folders")
    memory = ChecksumMemory(cache_dir, str(folder.absolute()))
    files = tuple(_describe(path, memory) for path in paths)
    memory.save()
    return files


def _describe(path: Path, memory: ChecksumMemory) -> SourceFile:
    before = _state(path)
    crc = memory.recall(path.name, before)
    if crc is None:
        crc = _checksum(path)
        if (after := _state(path)) != before:
            raise SourceFileChangedError(str(path), before, after)
        if time.time_ns() - path.stat().st_mtime_ns > SETTLED_AFTER_NS:
            memory.remember(path.name, before, crc)
    return SourceFile(path.name, path.stat().st_size, crc)


def _state(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} bytes, mtime {stat.st_mtime_ns}, inode {stat.st_ino}"


def _checksum(path: Path) -> int:
    from awscrt.checksums import crc64nvme

    crc = 0
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while data := file.read(READ_SIZE):
            crc = crc64nvme(data, crc)
    return crc
