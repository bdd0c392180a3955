"""Object bytes on disk: written once, then sliced and joined by reference, read in blocks."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from include.local_aws.s3.checksums import Algorithm, Digest, combined, digest_of

BLOCK_SIZE = 256 * 1024


class Blob:
    """A file of the store; it goes when nothing refers to it any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, path.unlink, missing_ok=True).atexit = False


@dataclass(frozen=True)
class Segment:
    """A range of a blob."""

    blob: Blob
    offset: int
    length: int

    def part(self, start: int, stop: int) -> Segment:
        """Return the range from start to stop, both counted within this segment."""
        return Segment(self.blob, self.offset + start, stop - start)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks."""
        with self.blob.path.open("rb", buffering=0) as file:
            for position in range(0, self.length, BLOCK_SIZE):
                yield os.pread(file.fileno(), min(BLOCK_SIZE, self.length - position), self.offset + position)


class StoredBytes:
    """An immutable sequence of bytes made of segments. Slicing and joining copy nothing; checksums are kept."""

    def __init__(self, segments: Iterable[Segment] = (), digests: dict[str, bytes] | None = None) -> None:
        self._segments = tuple(segments)
        self._length = sum(segment.length for segment in self._segments)
        self._digests = dict(digests or {})

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, wanted: slice) -> StoredBytes:
        start, stop, _ = wanted.indices(self._length)
        return StoredBytes(_cut(self._segments, start, stop))

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain.from_iterable(segment.blocks() for segment in self._segments)

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def decode(self, encoding: str = "utf-8") -> str:
        """Return the bytes as text. moto reads CloudFormation templates from S3 this way."""
        return bytes(self).decode(encoding)

    def digest(self, algorithm: Algorithm) -> bytes:
        """Return the checksum of all bytes, which are read for it the first time only."""
        if algorithm.name not in self._digests:
            self._digests[algorithm.name] = digest_of(algorithm, self)
        return self._digests[algorithm.name]


def joined(parts: Sequence[StoredBytes], crc: Algorithm | None) -> StoredBytes:
    """Return the parts one after the other; with `crc`, their CRCs are combined into the one of the whole."""
    segments = itertools.chain.from_iterable(part._segments for part in parts)
    if crc is None:
        return StoredBytes(segments)
    return StoredBytes(segments, {crc.name: combined(crc, [(part.digest(crc), len(part)) for part in parts])})


def _cut(segments: Iterable[Segment], start: int, stop: int) -> Iterator[Segment]:
    position = 0
    for segment in segments:
        first, last = max(start - position, 0), min(stop - position, segment.length)
        if first < last:
            yield segment.part(first, last)
        position += segment.length


class BlobWriter:
    """Writes one blob and computes its checksums on the way. Leaving the block with an error removes the file."""

    def __init__(self, path: Path, algorithms: Iterable[Algorithm]) -> None:
        self._path = path
        self._digests: dict[str, Digest] = {algorithm.name: algorithm.new() for algorithm in algorithms}
        self._file = path.open("xb")
        self._length = 0

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if error is not None:
            self._path.unlink(missing_ok=True)

    def write(self, block: bytes) -> None:
        """Append a block."""
        self._file.write(block)
        self._length += len(block)
        for digest in self._digests.values():
            digest.update(block)

    def stored(self) -> StoredBytes:
        """Return what was written."""
        self._file.flush()
        digests = {name: digest.digest() for name, digest in self._digests.items()}
        return StoredBytes([Segment(Blob(self._path), 0, self._length)], digests)


class ByteStore:
    """A folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def writer(self, algorithms: Iterable[Algorithm]) -> BlobWriter:
        """Return a writer of a new blob that computes the given checksums."""
        return BlobWriter(self._folder / f"{next(self._numbers):08d}", algorithms)

    def keep(self, data: bytes) -> StoredBytes:
        """Return the given bytes, stored."""
        with self.writer(()) as writer:
            writer.write(data)
            return writer.stored()
