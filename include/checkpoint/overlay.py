"""The one small file that holds what a conversion, merge or normalisation changed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from awscrt.checksums import combine_crc64nvme, crc64nvme

from include.checkpoint.appending import AppendedFile
from include.checkpoint.atomic import partial_file
from include.checkpoint.concurrency import in_order
from include.checkpoint.errors import DiskFullError, OverlayInUseError
from include.checkpoint.reading import LOCAL
from include.checkpoint.segments import CheckpointFile, Pin, Segment

# Room for headers and JSON files beside the tensors, and for the file system itself.
DISK_MARGIN = 64 * 2**20


@dataclass(frozen=True)
class WrittenPiece:
    """Bytes in their place in an overlay, not yet in its SHA-256."""

    data: memoryview
    crc64nvme: int


class Overlay:
    """Grows at the end of an overlay file; what is added becomes a Segment under the file's final name.

    Pieces are written, and their CRC64NVME computed, in any thread; the SHA-256 of the whole takes them in their order.
    """

    def __init__(self, path: Path, file: AppendedFile, pool: ThreadPoolExecutor) -> None:
        self._path = path
        self._file = file
        self._pool = pool
        self._sha256 = hashlib.sha256()
        self._hashed = 0

    @property
    def size(self) -> int:
        """The bytes for which there is a place so far."""
        return self._file.size

    def append(self, *pieces: bytes) -> Segment:
        """Write ``pieces`` at the end, as one segment."""
        return self.append_all(pieces)

    def append_all(self, pieces: Iterable[bytes | memoryview]) -> Segment:
        """Write ``pieces`` at the end, as one segment; a piece must not change before the next but one."""
        writes = (self._pool.submit(self.write, self.reserve(len(piece)), memoryview(piece)) for piece in pieces)
        return self.segment(in_order(writes, 1))

    def file(self, name: str, data: bytes) -> CheckpointFile:
        """A whole file of a checkpoint from ``data``."""
        return CheckpointFile(name=name, segments=(self.append(data),))

    def reserve(self, length: int) -> int:
        """The place of the next ``length`` bytes, for ``write``."""
        return self._file.reserve(length)

    def write(self, offset: int, data: memoryview) -> WrittenPiece:
        """Write ``data`` into its place, in any thread; it must not be changed until its segment is made."""
        self._file.write(offset, data)
        return WrittenPiece(data, crc64nvme(data))

    def segment(self, pieces: Iterable[WrittenPiece]) -> Segment:
        """The next pieces, in the order of their places, as one segment."""
        start, crc = self._hashed, 0
        for piece in pieces:
            self._sha256.update(piece.data)
            self._hashed += len(piece.data)
            crc = combine_crc64nvme(crc, piece.crc64nvme, len(piece.data))
        return Segment(uri=str(self._path), offset=start, length=self._hashed - start, crc64nvme=crc)

    def read(self, segment: Segment, start: int, length: int) -> bytes:
        """Bytes of a segment of this overlay, as they are in the file now."""
        return self._file.read(segment.offset + start, length)

    def sha256(self) -> str:
        """The hex digest of everything that is in a segment."""
        return self._sha256.hexdigest()


@contextmanager
def overlay(path: Path, expected_size: int, *, durable: bool = True) -> Iterator[Overlay]:
    """An overlay that gets its name ``path`` when the block ends well; else nothing is left of it.

    ``expected_size`` is checked against the free disk space first. One that is not ``durable`` is a step on the way to
    a folder and stays in the page cache: the disk's time is for the folder.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    _check_free_space(path.parent, expected_size)
    with (
        _only_writer(path),
        _disk_full_said(path.parent, expected_size),
        partial_file(path, durable=durable) as partial,
    ):
        file = AppendedFile(partial, expected_size, durable=durable)
        try:
            with ThreadPoolExecutor(1) as pool:
                yield Overlay(path, file, pool)
            file.cut()
        finally:
            file.close()


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


@contextmanager
def _disk_full_said(folder: Path, wanted: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFullError(str(folder), wanted + DISK_MARGIN, shutil.disk_usage(folder).free) from error


def _check_free_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + DISK_MARGIN:
        raise DiskFullError(str(folder), wanted + DISK_MARGIN, free)
