"""Objects of any size that take no room: their bytes are computed, and what was uploaded is kept as a checksum."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from awscrt.checksums import crc64nvme

from include.sources.checksums import combine

BLOCK_SIZE = 4096


class BytesNotKeptError(Exception):
    """The bytes of an uploaded part were requested, and only their checksum is kept."""


class Piece(Protocol):
    """Consecutive bytes of an object."""

    @property
    def length(self) -> int:
        """The number of bytes."""
        ...

    @property
    def crc64nvme(self) -> int:
        """The CRC64NVME of the bytes."""
        ...

    def cut(self, start: int, length: int) -> Piece:
        """Return a range of the piece."""
        ...

    def read(self) -> bytes:
        """Return the bytes; raises BytesNotKeptError."""
        ...


@dataclass(frozen=True)
class Repeated:
    """The bytes from ``offset`` of an endless repetition of one block of bf16 numbers, which ``seed`` chooses."""

    seed: str
    offset: int
    length: int

    @property
    def crc64nvme(self) -> int:
        """The CRC64NVME, combined from that of the block: its time grows with the logarithm of the length."""
        data = block(self.seed)
        first = min(-self.offset % BLOCK_SIZE, self.length)
        whole, last = divmod(self.length - first, BLOCK_SIZE)
        start = self.offset % BLOCK_SIZE
        head = (crc64nvme(data[start : start + first]), first)
        return combine(
            [head, (_repeated_crc(crc64nvme(data), whole), whole * BLOCK_SIZE), (crc64nvme(data[:last]), last)]
        )

    def cut(self, start: int, length: int) -> Repeated:
        return Repeated(self.seed, self.offset + start, length)

    def read(self) -> bytes:
        start = self.offset % BLOCK_SIZE
        times = -(-(start + self.length) // BLOCK_SIZE)
        return (block(self.seed) * times)[start : start + self.length]


@dataclass(frozen=True)
class Literal:
    """Bytes that are kept."""

    data: bytes

    @property
    def length(self) -> int:
        return len(self.data)

    @property
    def crc64nvme(self) -> int:
        return int(crc64nvme(self.data))

    def cut(self, start: int, length: int) -> Literal:
        return Literal(self.data[start : start + length])

    def read(self) -> bytes:
        return self.data


@dataclass(frozen=True)
class Uploaded:
    """An uploaded part, of which only length and checksum are kept."""

    length: int
    crc64nvme: int

    def cut(self, start: int, length: int) -> Uploaded:
        if (start, length) != (0, self.length):
            raise BytesNotKeptError
        return self

    def read(self) -> bytes:
        raise BytesNotKeptError


@dataclass(frozen=True)
class SyntheticObject:
    """An object as a sequence of pieces; ``parts`` is the number of parts that it was uploaded in, 0 for PutObject."""

    pieces: tuple[Piece, ...]
    parts: int = 0
    recipe: str = ""

    @cached_property
    def size(self) -> int:
        """The number of bytes."""
        return sum(piece.length for piece in self.pieces)

    @cached_property
    def crc64nvme(self) -> int:
        """The CRC64NVME of the whole object."""
        return combined_crc(self.pieces)

    @cached_property
    def etag(self) -> str:
        """An ETag of S3's form, with the number of parts."""
        digest = hashlib.md5(f"{self.size} {self.crc64nvme}".encode(), usedforsecurity=False).hexdigest()
        return f"{digest}-{self.parts}" if self.parts else digest

    def cut(self, start: int, length: int) -> tuple[Piece, ...]:
        """Return the pieces of a range; raises BytesNotKeptError for a range that splits an uploaded part."""
        found, position = [], 0
        for piece in self.pieces:
            first, last = max(start - position, 0), min(start + length - position, piece.length)
            if first < last:
                found.append(piece.cut(first, last - first))
            position += piece.length
        return tuple(found)


def combined_crc(pieces: Iterable[Piece]) -> int:
    """Return the CRC64NVME of consecutive pieces."""
    return combine((piece.crc64nvme, piece.length) for piece in pieces)


@lru_cache(maxsize=4096)
def block(seed: str) -> bytes:
    """Return BLOCK_SIZE bytes of normally distributed bf16 numbers, as weights have them."""
    values = np.random.default_rng(zlib.crc32(seed.encode())).normal(0, 0.02, BLOCK_SIZE // 2).astype("<f4")
    return values.view("<u2")[1::2].tobytes()


def _repeated_crc(crc: int, times: int) -> int:
    total, total_length, length = 0, 0, BLOCK_SIZE
    while times:
        if times & 1:
            total, total_length = combine([(total, total_length), (crc, length)]), total_length + length
        crc, length, times = combine([(crc, length), (crc, length)]), 2 * length, times >> 1
    return total
