"""CRC64NVME in S3's encoding, and how to combine checksums."""

from __future__ import annotations

import base64
from collections.abc import Iterable


def encode(crc: int) -> str:
    """Return the checksum as in S3's headers: base64 of 8 bytes, big endian."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def decode(text: str) -> int:
    """Return the number that ``encode`` encoded."""
    return int.from_bytes(base64.b64decode(text), "big")


def combine(pieces: Iterable[tuple[int, int]]) -> int:
    """Return the checksum of concatenated chunks, from the (checksum, length) of each."""
    from awscrt.checksums import combine_crc64nvme

    total = 0
    for crc, length in pieces:
        total = combine_crc64nvme(total, crc, length)
    return total


def after_replacement(whole: int, size: int, end: int, before: int, after: int) -> int:
    """Return the checksum of a file of ``size`` bytes after a range that ends at ``end`` is replaced in place.

    Nothing outside the range is read: CRC is linear, so the difference of the range's checksums, ``before`` and
    ``after``, moved past the bytes that follow it, is the difference of the files' checksums.
    """
    from awscrt.checksums import combine_crc64nvme

    difference: int = combine_crc64nvme(before ^ after, 0, size - end)
    return whole ^ difference
