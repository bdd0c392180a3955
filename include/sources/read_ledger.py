"""Which ranges of objects in S3 were read, so that they need not be read again to know their checksum."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.atomic import write_file
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Pin, Segment

_RANGES = TypeAdapter(tuple[Segment, ...])


class ReadLedger:
    """A reader that passes everything through and keeps the CRC64NVME of every range it read from S3.

    Give it to a merge, and what it kept to the upload: the checksum of a merged object then follows from the base
    object's.
    """

    def __init__(self, reader: RangeReader) -> None:
        self._reader = reader
        self._ranges: dict[tuple[str, int, int], Segment] = {}

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
        """The ranges that were read, with their checksums."""
        return tuple(self._ranges.values())

    def save(self, path: Path) -> None:
        """Write the ranges, for the task that uploads."""
        write_file(path, _RANGES.dump_json(self.ranges()))


def load_ranges(path: Path) -> tuple[Segment, ...]:
    """The ranges that ``save`` wrote."""
    return _RANGES.validate_json(path.read_bytes())
