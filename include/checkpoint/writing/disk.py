"""Raise named errors for a disk with too little space, before and during a write."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.checkpoint.errors import DiskFilledError, DiskFullError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Room for headers and JSON files beside the tensors, and for the file system itself.
DISK_MARGIN = 64 * 2**20


@contextmanager
def room_for(folder: Path, wanted: int) -> Iterator[None]:
    """Raise DiskFullError unless ``folder`` has this many bytes free, also if the block runs out of space."""
    if _free(folder) < wanted + DISK_MARGIN:
        raise DiskFullError(str(folder), wanted + DISK_MARGIN, _free(folder))
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFullError(str(folder), wanted + DISK_MARGIN, _free(folder)) from error


@contextmanager
def named_when_full(folder: str | Path) -> Iterator[None]:
    """Raise DiskFilledError if the block runs out of space; ``folder`` is where it writes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFilledError(str(folder), _free(Path(folder))) from error


def _free(folder: Path) -> int:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
