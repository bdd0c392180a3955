"""A disk that fills up while something is written to it, as an error of our own."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.checkpoint.errors import DiskFilledError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def named_when_full(folder: str | Path) -> Iterator[None]:
    """Raise DiskFilledError where the block runs out of room; ``folder`` is where it writes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFilledError(str(folder), _free(Path(folder))) from error


def _free(folder: Path) -> int:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
