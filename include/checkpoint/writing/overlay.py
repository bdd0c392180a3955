"""The one small file that holds what a conversion, merge or normalisation changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from awscrt.checksums import combine_crc64nvme, crc64nvme

from include.checkpoint.errors import OverlayInUseError
from include.checkpoint.files.atomic import partial_file
from include.checkpoint.files.concurrency import in_order
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.files.segments import CheckpointFile, Pin, Segment
from include.checkpoint.writing.disk import room_for
from include.checkpoint.writing.growing_file import GrowingFile, Place


@dataclass(frozen=True)
class WrittenPiece:
    """Bytes in their place, not yet in the SHA-256."""

    data: memoryview
    crc64nvme: int


class Overlay:
    """Grows at the end of an overlay file; what is added becomes a Segment under the file's final name.

    Pieces are written, and their CRC64NVME computed, in any thread; the SHA-256 of all takes them in their order.
    """

    def __init__(self, path: Path, file: GrowingFile, pool: ThreadPoolExecutor) -> None:
        self._path = path
        self._file = file
        self._pool = pool
        self._sha256 = hashlib.sha256()
        self.size = 0
        self.written = 0

    def append(self, *pieces: bytes) -> Segment:
        """Write ``pieces`` at the end, as one segment."""
        return self.append_all(pieces)

    def append_all(self, pieces: Iterable[bytes | memoryview]) -> Segment:
        """Write ``pieces`` at the end, as one segment; a piece must not change before the next but one."""
        place = self.place(0)
        return self.segment(place, in_order(self._writes(place, pieces), 1))

    def file(self, name: str, data: bytes) -> CheckpointFile:
        """A whole file of a checkpoint from ``data``."""
        return CheckpointFile(name=name, segments=(self.append(data),))

    def place(self, length: int) -> Place:
        """Room for the next ``length`` bytes."""
        place = Place(self._file, str(self._path), self.size)
        self.size += length
        return place

    def segment(self, place: Place, pieces: Iterable[WrittenPiece]) -> Segment:
        """The pieces of a place, in their order, as one segment."""
        length = crc = 0
        for piece in pieces:
            self._sha256.update(piece.data)
            crc = combine_crc64nvme(crc, piece.crc64nvme, len(piece.data))
            length += len(piece.data)
        self.written += length
        return Segment(uri=place.uri, offset=place.offset, length=length, crc64nvme=crc)

    def sha256(self) -> str:
        """The hex digest of all segments, in the order in which they were made."""
        return self._sha256.hexdigest()

    def _writes(self, place: Place, pieces: Iterable[bytes | memoryview]) -> Iterator[Future[WrittenPiece]]:
        for piece in pieces:
            start = self.size - place.offset
            self.size += len(piece)
            yield self._pool.submit(write_piece, place, start, memoryview(piece))


def write_piece(place: Place, start: int, data: memoryview) -> WrittenPiece:
    """Write ``data`` at ``start`` of its place; it must not change until its segment is made."""
    place.file.write(place.offset + start, data)
    return WrittenPiece(data, crc64nvme(data))


@contextmanager
def overlay(path: Path, expected_size: int, *, durable: bool = True) -> Iterator[Overlay]:
    """An overlay that gets its name ``path`` when the block ends well; else nothing is left of it.

    ``expected_size`` is checked against the free disk space first. One that is not ``durable`` is a step on the way to
    a folder and stays in the page cache: the disk's time is for the folder.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        room_for(path.parent, expected_size),
        _only_writer(path),
        partial_file(path, durable=durable) as partial,
    ):
        file = GrowingFile(partial, expected_size, durable=durable)
        try:
            with ThreadPoolExecutor(1) as pool:
                out = Overlay(path, file, pool)
                yield out
            file.cut(out.size)
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
