"""Write the overlay: the one file with the changes of a conversion, merge or normalisation."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from awscrt.checksums import crc64nvme

from include.checkpoint.errors import OverlayInUseError
from include.checkpoint.files.atomic import lay_out_blocks, partial_file, start_write_back
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.files.segments import CheckpointFile, Pin, Segment
from include.checkpoint.writing.disk import room_for


class Overlay:
    """Grows at the end of an overlay file; what is added becomes a Segment under the file's final name."""

    def __init__(self, path: Path, file: BinaryIO, *, durable: bool) -> None:
        self._path = path
        self._file = file
        self._durable = durable
        self._sha256 = hashlib.sha256()
        self.size = 0

    def append(self, *pieces: bytes) -> Segment:
        """Write ``pieces`` at the end, as one segment."""
        return self.append_all(pieces)

    def append_all(self, pieces: Iterable[bytes | memoryview]) -> Segment:
        """Write ``pieces`` at the end, as one segment."""
        offset, crc = self.size, 0
        for piece in pieces:
            self._file.write(piece)
            self._sha256.update(piece)
            crc = crc64nvme(piece, crc)
            self.size += len(piece)
        if self._durable:
            start_write_back(self._file.fileno())
        return Segment(uri=str(self._path), offset=offset, length=self.size - offset, crc64nvme=crc)

    def file(self, name: str, data: bytes) -> CheckpointFile:
        """Return a file of a checkpoint that consists of ``data``."""
        return CheckpointFile(name=name, segments=(self.append(data),))

    def read(self, segment: Segment, start: int, length: int) -> bytes:
        """Return the bytes in this range of one of the file's segments."""
        self._file.flush()
        return os.pread(self._file.fileno(), length, segment.offset + start)

    def sha256(self) -> str:
        """Return the hex digest of the file so far."""
        return self._sha256.hexdigest()


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
        partial.open("w+b") as file,
    ):
        lay_out_blocks(file.fileno(), expected_size)
        out = Overlay(path, file, durable=durable)
        yield out
        file.truncate(out.size)


def pin_of(path: Path) -> Pin:
    """Return the pin of a finished overlay."""
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
