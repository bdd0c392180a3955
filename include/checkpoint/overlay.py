"""The one small file that holds what a conversion, merge or normalisation changed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from awscrt.checksums import combine_crc64nvme, crc64nvme

from include.checkpoint.appending import AppendedFile
from include.checkpoint.atomic import partial_file
from include.checkpoint.errors import DiskFullError, OverlayInUseError
from include.checkpoint.reading import LOCAL
from include.checkpoint.segments import CheckpointFile, Pin, Segment

# Room for headers and JSON files beside the tensors, and for the file system itself.
DISK_MARGIN = 64 * 2**20


class Overlay:
    """Appends to an overlay file; each piece becomes a Segment under the file's final name.

    The CRC64NVME of each piece and the SHA-256 of the whole are computed on the way. A piece is written and hashed in
    threads while the next one is asked for.
    """

    def __init__(self, path: Path, file: AppendedFile, pool: ThreadPoolExecutor) -> None:
        self._path = path
        self._file = file
        self._pool = pool
        self._sha256 = hashlib.sha256()
        self._under_way: list[Future[None]] = []

    @property
    def size(self) -> int:
        """The bytes written so far."""
        return self._file.size

    def append(self, *pieces: bytes) -> Segment:
        """Write ``pieces`` at the end, as one segment."""
        return self.append_all(pieces)

    def append_all(self, pieces: Iterable[bytes | memoryview]) -> Segment:
        """Write ``pieces`` at the end, as one segment; a piece must not be changed afterwards."""
        start, crc = self.size, 0
        for piece in pieces:
            crc = combine_crc64nvme(crc, self._write(memoryview(piece)), len(piece))
        self._wait()
        return Segment(uri=str(self._path), offset=start, length=self.size - start, crc64nvme=crc)

    def file(self, name: str, data: bytes) -> CheckpointFile:
        """A whole file of a checkpoint from ``data``."""
        return CheckpointFile(name=name, segments=(self.append(data),))

    def read(self, segment: Segment, start: int, length: int) -> bytes:
        """Bytes of a segment of this overlay, as they are in the file now."""
        return self._file.read(segment.offset + start, length)

    def sha256(self) -> str:
        """The hex digest of everything written so far."""
        return self._sha256.hexdigest()

    def _write(self, piece: memoryview) -> int:
        self._wait()
        self._under_way = [self._pool.submit(step, piece) for step in (self._file.append, self._sha256.update)]
        crc: int = crc64nvme(piece)
        return crc

    def _wait(self) -> None:
        for step in self._under_way:
            step.result()


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
        file = AppendedFile(partial, expected_size, direct=durable)
        try:
            with ThreadPoolExecutor(2) as pool:
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
