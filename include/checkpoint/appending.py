"""A file that grows at its end, whose bytes go to the disk while more of them come."""

from __future__ import annotations

import os
from pathlib import Path

from include.checkpoint.atomic import WriteBack, lay_out_blocks


class AppendedFile:
    """A new file; room is taken at its end and filled by any thread, ``expected_size`` bytes are laid out first.

    On Linux, extending a file by large writes, or filling its holes, costs several times more than filling blocks it
    has. One that is ``durable`` is written back as it grows. Raises OSError.
    """

    def __init__(self, path: Path, expected_size: int, *, durable: bool) -> None:
        self.size = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self._write_back = WriteBack(self._descriptor) if durable else None
        try:
            lay_out_blocks(self._descriptor, expected_size)
        except BaseException:
            self.close()
            raise

    def reserve(self, length: int) -> int:
        """Where the next ``length`` bytes go."""
        offset = self.size
        self.size += length
        return offset

    def write(self, offset: int, piece: memoryview) -> None:
        """Write ``piece`` into its reserved place."""
        written = 0
        while written < len(piece):
            written += os.pwrite(self._descriptor, piece[written:], offset + written)
        if self._write_back:
            self._write_back.up_to(offset + len(piece))

    def read(self, offset: int, length: int) -> bytes:
        """What the file holds there now."""
        return os.pread(self._descriptor, length, offset)

    def cut(self) -> None:
        """Give back what was laid out and not written."""
        os.ftruncate(self._descriptor, self.size)

    def close(self) -> None:
        """Close the file; it is not synced."""
        os.close(self._descriptor)
