"""Record which ranges of S3 objects were read, so that their checksums are known without a second read."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import TypeAdapter

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Pin, Segment

_RANGES = TypeAdapter(tuple[Segment, ...])


class ReadLedger:
    """A reader that records the CRC64NVME of every range it reads from S3.

    Used in a merge; with the recorded ranges, the upload derives a merged object's checksum from the base object's.
    """

    def __init__(self, reader: RangeReader, ranges: Iterable[Segment] = ()) -> None:
        """Read through ``reader``; ``ranges`` were recorded before."""
        self._reader = reader
        self._ranges = {(it.uri, it.offset, it.length): it for it in ranges}

    def read(self, uri: str, offset: int, length: int) -> bytes:
        from awscrt.checksums import crc64nvme

        data = self._reader.read(uri, offset, length)
        if is_s3_uri(uri):
            kept = Segment(uri=uri, offset=offset, length=length, crc64nvme=crc64nvme(data))
            self._ranges[uri, offset, length] = kept
        return data

    def pin(self, uri: str) -> Pin:
        return self._reader.pin(uri)

    def files(self, uri: str) -> dict[str, Pin]:
        return self._reader.files(uri)

    def ranges(self) -> tuple[Segment, ...]:
        """Return the ranges that were read, with their checksums."""
        return tuple(self._ranges.values())

    def to_json(self) -> bytes:
        """Return the ranges in their JSON form, for the upload task."""
        return _RANGES.dump_json(self.ranges())


def load_ranges(data: bytes) -> tuple[Segment, ...]:
    """Return the ranges with this JSON form."""
    return _RANGES.validate_json(data)
