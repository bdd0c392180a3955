"""The one small file that holds what a conversion, merge or normalisation changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from awscrt.checksums import combine_crc64nvme, crc64nvme

from include.checkpoint.atomic import lay_out_blocks, partial_file
from include.checkpoint.errors import DiskFullError, OverlayInUseError
from include.checkpoint.reading import LOCAL
from include.checkpoint.segments import CheckpointFile, Pin, Segment

# Room for headers and JSON files beside the tensors, and for the file system itself.
DISK_MARGIN = 64 * 2**20
# What is written is sent to the disk in stretches of this size while the next is computed.
SYNC_BYTES = 128 * 2**20


class Overlay:
    """Appends to an overlay file; each piece becomes a Segment under the file's final name.

    The CRC64NVME of each piece and the SHA-256 of the whole are computed on the way, the latter in a thread.
    """

    def __init__(self, path: Path, descriptor: int, background: ThreadPoolExecutor) -> None:
        self._path = path
        self._descriptor = descriptor
        self._background = background
        self._sha256 = hashlib.sha256()
        self._hashing: Future[None] | None = None
        self._syncing: Future[None] | None = None
        self._synced = 0
        self.size = 0

    def append(self, *pieces: bytes) -> Segment:
        """Write ``pieces`` at the end, as one segment."""
        return self.append_all(pieces)

    def append_all(self, pieces: Iterable[bytes | memoryview]) -> Segment:
        """Write ``pieces`` at the end, as one segment; a piece must not be changed afterwards."""
        start, crc = self.size, 0
        for piece in pieces:
            crc = combine_crc64nvme(crc, self._write(memoryview(piece)), len(piece))
        return Segment(uri=str(self._path), offset=start, length=self.size - start, crc64nvme=crc)

    def file(self, name: str, data: bytes) -> CheckpointFile:
        """A whole file of a checkpoint from ``data``."""
        return CheckpointFile(name=name, segments=(self.append(data),))

    def read(self, segment: Segment, start: int, length: int) -> bytes:
        """Bytes of a segment of this overlay, as they are in the file now."""
        return os.pread(self._descriptor, length, segment.offset + start)

    def sha256(self) -> str:
        """The hex digest of everything written so far."""
        self._wait_for_hash()
        return self._sha256.hexdigest()

    def _write(self, piece: memoryview) -> int:
        self._wait_for_hash()
        self._hashing = self._background.submit(self._sha256.update, piece)
        written = 0
        while written < len(piece):
            written += os.pwrite(self._descriptor, piece[written:], self.size + written)
        self.size += written
        self._sync_behind()
        crc: int = crc64nvme(piece)
        return crc

    def _sync_behind(self) -> None:
        if self.size - self._synced >= SYNC_BYTES and (self._syncing is None or self._syncing.done()):
            self.wait_for_sync()
            self._synced = self.size
            self._syncing = self._background.submit(os.fdatasync, self._descriptor)

    def wait_for_sync(self) -> None:
        """Wait for what is on its way to the disk; raises OSError when the disk failed."""
        if self._syncing is not None:
            self._syncing.result()

    def _wait_for_hash(self) -> None:
        if self._hashing is not None:
            self._hashing.result()


@contextmanager
def overlay(path: Path, expected_size: int) -> Iterator[Overlay]:
    """An overlay that gets its name ``path`` when the block ends well; else nothing is left of it.

    ``expected_size`` is checked against the free disk space and laid out first: on Linux, extending a file by large
    writes, or filling its holes, costs several times more than filling blocks it has.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    _check_free_space(path.parent, expected_size)
    with _only_writer(path), partial_file(path) as partial, ThreadPoolExecutor(2) as background:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            lay_out_blocks(descriptor, expected_size)
            written = Overlay(path, descriptor, background)
            yield written
            written.wait_for_sync()
            os.ftruncate(descriptor, written.size)
        finally:
            os.close(descriptor)


def pin_of(path: Path) -> Pin:
    """The pin of a finished overlay."""
    return LOCAL.pin(str(path.absolute()))


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    # The lock goes with the process, so a killed run leaves none; the lock file itself is empty and stays.
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise OverlayInUseError(str(path)) from error
    finally:
        os.close(descriptor)


def _check_free_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + DISK_MARGIN:
        raise DiskFullError(str(folder), wanted + DISK_MARGIN, free)
