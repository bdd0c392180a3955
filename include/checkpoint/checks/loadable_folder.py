"""The folder in which a checkpoint is loaded, where it is small enough for this machine."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.checkpoint.errors import DiskFilledError, DiskFullError, MemoryShortError
from include.checkpoint.files.memory import refuse_short_memory
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.writing.materialize import materialize

log = logging.getLogger(__name__)

#: Bytes of a checkpoint. A larger one takes minutes to load, and more memory than many workers have.
LOADED_BELOW = 4 * 10**9
# The weights, as much again for the one that is being copied, and what computes with them.
MEMORY_FACTOR, MEMORY_BASE = 2, 10**9


@contextmanager
def loadable_folder(checkpoint: Checkpoint, folder: Path, reader: RangeReader) -> Iterator[Path | None]:
    """Yield ``folder`` with the checkpoint's files, which are removed afterwards; None where it is not to be loaded.

    The log says why: the checkpoint is too large, or there is not enough memory or disk now.
    """
    size, most = checkpoint.size, f"{LOADED_BELOW:,}"
    if size > LOADED_BELOW:
        log.info("The checkpoint is not loaded: it has %s bytes, and only up to %s are loaded", f"{size:,}", most)
        yield None
        return
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    try:
        try:
            refuse_short_memory("loading the checkpoint", MEMORY_FACTOR * size + MEMORY_BASE)
            materialize(checkpoint, folder, reader=reader)
        except (MemoryShortError, DiskFullError, DiskFilledError) as error:
            log.warning("The checkpoint is not loaded: %s", error)
            yield None
        else:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
