"""The checksums S3 knows, computed with awscrt and hashlib."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from awscrt import checksums as crt

DEFAULT_ALGORITHM = "CRC64NVME"


class Digest(Protocol):
    """A checksum under way."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Return the checksum of the bytes taken in so far."""


@dataclass(frozen=True)
class Algorithm:
    """One checksum algorithm: how it is computed, how long it is, how two of them combine (CRCs only)."""

    name: str
    size: int
    new: Callable[[], Digest]
    combine: Callable[[int, int, int], int] | None = None


class Crc:
    """A CRC under way."""

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        """Return the CRC so far, big-endian."""
        return self._value.to_bytes(self._size, "big")


def _crc(name: str, size: int, function: Callable[[bytes, int], int], combine: Callable[..., int]) -> Algorithm:
    return Algorithm(name, size, lambda: Crc(function, size), combine)


MD5 = Algorithm("MD5", 16, lambda: hashlib.md5(usedforsecurity=False))
SHA256 = Algorithm("SHA256", 32, hashlib.sha256)
ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        _crc("CRC32", 4, crt.crc32, crt.combine_crc32),
        _crc("CRC32C", 4, crt.crc32c, crt.combine_crc32c),
        _crc("CRC64NVME", 8, crt.crc64nvme, crt.combine_crc64nvme),
        Algorithm("SHA1", 20, lambda: hashlib.sha1(usedforsecurity=False)),
        SHA256,
    )
}


def digest_of(algorithm: Algorithm, blocks: Iterable[bytes]) -> bytes:
    """Return the checksum of the blocks, one after the other."""
    digest = algorithm.new()
    for block in blocks:
        digest.update(block)
    return digest.digest()


def combined(algorithm: Algorithm, pieces: Sequence[tuple[bytes, int]]) -> bytes:
    """Return the CRC of a whole from the CRCs and lengths of its pieces, without reading any byte again."""
    if algorithm.combine is None:
        raise ValueError(f"{algorithm.name} checksums cannot be combined")
    value = 0
    for digest, length in pieces:
        value = algorithm.combine(value, int.from_bytes(digest, "big"), length)
    return value.to_bytes(algorithm.size, "big")


def encoded(digest: bytes) -> str:
    """Return a checksum as it stands in headers."""
    return base64.b64encode(digest).decode()


def decoded(text: str, size: int) -> bytes | None:
    """Return the checksum a header holds, or None when it is not the base64 of `size` bytes."""
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return digest if len(digest) == size else None
