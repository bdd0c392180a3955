"""Write files atomically: the final name never holds a partial file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


def partial_of(path: Path) -> Path:
    """Return the temporary name of a file that becomes ``path`` when it is complete."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


@contextmanager
def partial_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary name beside ``path``: synced and renamed to it when the block ends well, removed when it does not.

    What is not ``durable`` is not synced: it is whole after a kill, but not after a power cut. The name is the same for
    every attempt, so that what a killed run left is written over by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        yield partial
        if durable:
            sync(partial)
        partial.rename(path)
        if durable:
            sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with partial_file(path) as partial:
        partial.write_bytes(data)


def lay_out_blocks(descriptor: int, size: int) -> None:
    """Give a file ``size`` bytes of disk, where the system can; raises OSError when the disk is full.

    On Linux, extending a file by large writes costs several times more than filling blocks it has.
    """
    if not size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def start_write_back(descriptor: int) -> None:
    """Keep the disk busy while a file that will be synced is written, where the system can; does not wait.

    Linux begins to write what is dirty, and frees what is on the disk, when advised that a file is not needed in memory
    (https://man7.org/linux/man-pages/man2/posix_fadvise.2.html). Memory that is used again takes a copy faster.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
