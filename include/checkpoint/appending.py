"""Appending to a file past the page cache, where the system can."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from include.checkpoint.atomic import lay_out_blocks

# What O_DIRECT asks of offset, length and memory address: https://man7.org/linux/man-pages/man2/open.2.html
ALIGNMENT = 4096
# Below this the page cache is faster.
DIRECT_BYTES = 256 * 2**10


class AppendedFile:
    """A new file that grows at its end; ``expected_size`` bytes are laid out on the disk first.

    On Linux, extending a file by large writes, or filling its holes, costs several times more than filling blocks it
    has. With ``direct``, large aligned pieces go to the disk at once: a model is larger than the page cache should be,
    and what is synced in the end need not be copied there first. Raises OSError.
    """

    def __init__(self, path: Path, expected_size: int, *, direct: bool) -> None:
        self.size = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self._direct: int | None = None
        try:
            lay_out_blocks(self._descriptor, expected_size)
            self._direct = _open_direct(path) if direct else None
        except BaseException:
            self.close()
            raise

    def append(self, piece: memoryview) -> None:
        """Write ``piece`` at the end."""
        if self._direct is not None and _is_aligned(piece, self.size):
            written = self._write(self._direct, piece, 0)
        else:
            written = 0
        self._write(self._descriptor, piece, written)
        self.size += len(piece)

    def read(self, offset: int, length: int) -> bytes:
        """What the file holds there now."""
        return os.pread(self._descriptor, length, offset)

    def cut(self) -> None:
        """Give back what was laid out and not written."""
        os.ftruncate(self._descriptor, self.size)

    def close(self) -> None:
        """Close the file; it is not synced."""
        os.close(self._descriptor)
        if self._direct is not None:
            os.close(self._direct)

    def _write(self, descriptor: int, piece: memoryview, written: int) -> int:
        while written < len(piece):
            try:
                written += os.pwrite(descriptor, piece[written:], self.size + written)
            except OSError:
                if descriptor != self._direct:
                    raise
                # The rest goes through the page cache, which also says what is wrong if it is more than alignment.
                return written
        return written


def _open_direct(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_DIRECT)
    except (AttributeError, OSError):
        return None  # Not Linux, or a file system without it.


def _is_aligned(piece: memoryview, offset: int) -> bool:
    if len(piece) < DIRECT_BYTES or piece.readonly or offset % ALIGNMENT or len(piece) % ALIGNMENT:
        return False
    return ctypes.addressof(ctypes.c_char.from_buffer(piece)) % ALIGNMENT == 0
