"""Prefetch tensors from S3, several ranges at a time, in bounded memory."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint, Pin, Segment
from include.checkpoint.files.tensors import stored_tensors

CHUNK_SIZE = 2**20
CHUNKS_AHEAD = 4
# Who reads less than this at once takes samples, and will not read the rest.
LEAST_READ = 128 * 2**10


class _Chunk(NamedTuple):
    uri: str
    start: int
    end: int


@contextmanager
def read_ahead(checkpoint: Checkpoint, reader: RangeReader) -> Iterator[RangeReader]:
    """Return a reader for sequential reads of whole tensors, in blocks.

    The next CHUNKS_AHEAD x CHUNK_SIZE bytes of a tensor in S3 are fetched in parallel, never beyond its end, so no byte
    is read in vain. Other reads are passed to ``reader``. Thread-safe.
    """
    segments = [segment for tensor in stored_tensors(checkpoint, reader).values() for segment in tensor.segments()]
    with ThreadPoolExecutor(CHUNKS_AHEAD, thread_name_prefix="read-ahead") as pool:
        try:
            yield _ReadAhead(reader, segments, pool)
        finally:
            pool.shutdown(cancel_futures=True)


class _ReadAhead:
    def __init__(self, reader: RangeReader, tensors: Iterable[Segment], pool: ThreadPoolExecutor) -> None:
        self._reader = reader
        self._pool = pool
        self._extents: dict[str, list[tuple[int, int]]] = {}
        for it in sorted(tensors, key=lambda it: it.offset):
            if is_s3_uri(it.uri):
                self._extents.setdefault(it.uri, []).append((it.offset, it.offset + it.length))
        self._lock = threading.Lock()
        self._fetching: dict[_Chunk, Future[bytes]] = {}
        self._unread: dict[_Chunk, int] = {}

    def pin(self, uri: str) -> Pin:
        return self._reader.pin(uri)

    def files(self, uri: str) -> dict[str, Pin]:
        return self._reader.files(uri)

    def read(self, uri: str, offset: int, length: int) -> bytes:
        with self._lock:
            chunks = self._fetch_for(uri, offset, length)
        if not chunks:
            return self._reader.read(uri, offset, length)
        pieces: list[bytes] = []
        for chunk, fetching in chunks:
            first, last = max(offset, chunk.start), min(offset + length, chunk.end)
            pieces.append(fetching.result()[first - chunk.start : last - chunk.start])
            self._count(chunk, last - first)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fetch_for(self, uri: str, offset: int, length: int) -> list[tuple[_Chunk, Future[bytes]]]:
        """Return the chunks that hold the range and prefetch the next ones; empty for ranges that are passed on."""
        extent = self._extent(uri, offset, length)
        if extent is None:
            return []
        wanted = list(_chunks(uri, extent, offset, offset + length))
        if not wanted or (length < LEAST_READ and not all(chunk in self._fetching for chunk in wanted)):
            return []
        fetching = [(chunk, self._fetch(chunk)) for chunk in wanted]
        for chunk in _chunks(uri, extent, wanted[-1].end, wanted[-1].end + CHUNKS_AHEAD * CHUNK_SIZE):
            if len(self._fetching) >= CHUNKS_AHEAD:
                break
            self._fetch(chunk)
        return fetching

    def _extent(self, uri: str, offset: int, length: int) -> tuple[int, int] | None:
        """Return the tensor that contains the range."""
        extents = self._extents.get(uri, [])
        at = bisect_right(extents, (offset, float("inf"))) - 1
        return extents[at] if at >= 0 and offset + length <= extents[at][1] else None

    def _fetch(self, chunk: _Chunk) -> Future[bytes]:
        if chunk not in self._fetching:
            length = chunk.end - chunk.start
            self._fetching[chunk] = self._pool.submit(self._reader.read, chunk.uri, chunk.start, length)
            self._unread[chunk] = length
        return self._fetching[chunk]

    def _count(self, chunk: _Chunk, length: int) -> None:
        """Drop the chunk once all of it was read."""
        with self._lock:
            if chunk in self._unread:
                self._unread[chunk] -= length
                if self._unread[chunk] <= 0:
                    del self._unread[chunk], self._fetching[chunk]


def _chunks(uri: str, extent: tuple[int, int], start: int, end: int) -> Iterator[_Chunk]:
    """Return the tensor's chunks, CHUNK_SIZE each, that hold the bytes between ``start`` and ``end``."""
    begin, stop = extent
    for at in range(begin + (start - begin) // CHUNK_SIZE * CHUNK_SIZE, min(end, stop), CHUNK_SIZE):
        yield _Chunk(uri, at, min(at + CHUNK_SIZE, stop))
