"""A gzip file as a stream of what it unpacks to, within a limit."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import BinaryIO

from include.evaluation.errors import DatasetFormatError, DatasetTooLargeError

BUFFER_BYTES = 128 * 2**10


def unpacked(uri: str, file: BinaryIO, max_bytes: int) -> BinaryIO:
    """Return what a gzip file unpacks to, as a stream.

    Reading it raises DatasetFormatError where the file is damaged, and DatasetTooLargeError beyond ``max_bytes``.
    """
    return io.BufferedReader(_Unpacked(uri, file, max_bytes), BUFFER_BYTES)


class _Unpacked(io.RawIOBase):
    def __init__(self, uri: str, file: BinaryIO, max_bytes: int) -> None:
        super().__init__()
        self._uri, self._max_bytes, self._count = uri, max_bytes, 0
        self._file = gzip.GzipFile(fileobj=file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base takes more kinds of buffers
        try:
            piece = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetFormatError(self._uri, "a gzip file", str(error)) from error
        self._count += len(piece)
        if self._count > self._max_bytes:
            raise DatasetTooLargeError(self._uri, self._max_bytes, self._count)
        buffer[: len(piece)] = piece
        return len(piece)
