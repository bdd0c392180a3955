"""Read a whole S3 object, several ranges at a time, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from include.aws.calls import patiently
from include.aws.s3_uri import S3Uri
from include.aws.transient import NO_ANSWER
from include.checkpoint.errors import SourceChangedError, SourceUnreadableError
from include.checkpoint.files.concurrency import in_order
from include.checkpoint.files.segments import Pin
from include.sources.checksums import combine
from include.sources.rate import RateLimit

T = TypeVar("T")

# More threads, or smaller pieces, cost more in Python than the network gains by them.
RANGE_SIZE = 16 * 2**20
PIECE_SIZE = 2**20
WORKERS = 4


class ObjectStream:
    """One object in S3, pinned by its ETag.

    Its methods raise SourceChangedError when the object has changed, and SourceUnreadableError when S3 refused a
    request or kept failing.
    """

    def __init__(self, client: Any, pin: Pin, limit: RateLimit) -> None:
        self._client = client
        self._pin = pin
        self._limit = limit

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order; memory is about RANGE_SIZE x WORKERS."""
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="download") as pool:
            try:
                reads = (
                    pool.submit(self._with_body, offset, length, lambda body: body.read())
                    for offset, length in self._ranges()
                )
                yield from in_order(reads, WORKERS - 1)
            finally:
                pool.shutdown(cancel_futures=True)

    def download(self, path: Path) -> int:
        """Write the object to ``path`` and return its CRC64NVME; memory is about PIECE_SIZE x WORKERS."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.ftruncate(descriptor, self._pin.size)  # filling a file is faster than extending it
            with ThreadPoolExecutor(WORKERS, thread_name_prefix="download") as pool:
                ranges = list(self._ranges())
                try:
                    crcs = list(pool.map(lambda it: self._with_body(it[0], it[1], _writer(descriptor, it[0])), ranges))
                finally:
                    pool.shutdown(cancel_futures=True)
        finally:
            os.close(descriptor)
        return combine((crc, length) for crc, (_, length) in zip(crcs, ranges, strict=True))

    def _ranges(self) -> Iterator[tuple[int, int]]:
        for offset in range(0, self._pin.size, RANGE_SIZE):
            yield offset, min(RANGE_SIZE, self._pin.size - offset)

    def _with_body(self, offset: int, length: int, use: Callable[[Any], T]) -> T:
        from botocore.exceptions import ClientError

        self._limit.take(length)
        bucket, key = S3Uri.parse(self._pin.uri)
        asked = {"Bucket": bucket, "Key": key, "IfMatch": self._pin.version}
        asked["Range"] = f"bytes={offset}-{offset + length - 1}"
        try:
            return patiently(lambda: use(self._client.get_object(**asked)["Body"]))
        except ClientError as error:
            if error.response["Error"].get("Code") == "PreconditionFailed":
                raise SourceChangedError(self._pin.uri, f"version {self._pin.version}", "another one") from error
            raise SourceUnreadableError(self._pin.uri, str(error)) from error
        except NO_ANSWER as error:
            raise SourceUnreadableError(self._pin.uri, str(error)) from error


def _writer(descriptor: int, offset: int) -> Callable[[Any], int]:
    """Return a function that writes a body at its offset in the file and returns its CRC64NVME."""
    from awscrt.checksums import crc64nvme

    def write(body: Any) -> int:
        crc, position = 0, offset
        while piece := memoryview(body.read(PIECE_SIZE)):
            crc = crc64nvme(piece, crc)
            while piece:
                written = os.pwrite(descriptor, piece, position)
                piece, position = piece[written:], position + written
        return crc

    return write
