"""A file of a known size, filled by threads, whose bytes go to the disk while more of them come."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from include.checkpoint.files.atomic import WriteBack, lay_out_blocks


class GrowingFile:
    """A new file of which any thread may fill any part; ``expected_size`` bytes are laid out first.

    On Linux, extending a file by large writes, or filling its holes, costs several times more than filling blocks it
    has. One that is ``durable`` is written back as it grows. One that is ``begun`` keeps what is in it. Raises OSError.
    """

    def __init__(self, path: Path, expected_size: int, *, durable: bool, begun: bool = False) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | (0 if begun else os.O_TRUNC), 0o644)
        self._write_back = WriteBack(self._descriptor) if durable else None
        try:
            lay_out_blocks(self._descriptor, expected_size)
        except BaseException:
            self.close()
            raise

    def write(self, offset: int, piece: memoryview) -> None:
        """Write ``piece`` there."""
        written = 0
        while written < len(piece):
            written += os.pwrite(self._descriptor, piece[written:], offset + written)
        self._wrote(offset, len(piece))

    def copy(self, offset: int, source: int, start: int, length: int) -> int:
        """Copy from another file's descriptor within the system, where it can; how many bytes."""
        copied = os.copy_file_range(source, self._descriptor, length, start, offset)
        self._wrote(offset, copied)
        return copied

    def read(self, offset: int, length: int) -> bytes:
        """What the file holds there now."""
        return os.pread(self._descriptor, length, offset)

    def cut(self, size: int) -> None:
        """Give back what was laid out beyond ``size``."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Force the file to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; it is not synced."""
        os.close(self._descriptor)

    def _wrote(self, offset: int, length: int) -> None:
        if self._write_back:
            self._write_back.wrote(offset, length)


@dataclass(frozen=True)
class Place:
    """Where bytes go; ``uri`` is the path under which they are read later."""

    file: GrowingFile
    uri: str
    offset: int
