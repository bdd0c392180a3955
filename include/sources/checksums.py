"""CRC64NVME as S3 writes it, and what follows from its linearity."""

from __future__ import annotations

import base64
from collections.abc import Iterable


def encode(crc: int) -> str:
    """The checksum as S3's headers and answers carry it: base64 of 8 bytes, big endian."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def decode(text: str) -> int:
    """The number that ``encode`` wrote."""
    return int.from_bytes(base64.b64decode(text), "big")


def combine(pieces: Iterable[tuple[int, int]]) -> int:
    """The checksum of pieces laid end to end, from each one's (checksum, length)."""
    from awscrt.checksums import combine_crc64nvme

    total = 0
    for crc, length in pieces:
        total = combine_crc64nvme(total, crc, length)
    return total


def after_replacement(whole: int, size: int, end: int, before: int, after: int) -> int:
    """The checksum of a file of ``size`` bytes when a range that ends at ``end`` is replaced by as many other bytes.

    Nothing outside the range is read: CRC is linear, so the difference of the range's checksums, ``before`` and
    ``after``, moved past the bytes that follow it, is the difference of the files' checksums.
    """
    from awscrt.checksums import combine_crc64nvme

    difference: int = combine_crc64nvme(before ^ after, 0, size - end)
    return whole ^ difference
