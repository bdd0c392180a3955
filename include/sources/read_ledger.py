"""Record which ranges of S3 objects were read, so that their checksums are known without a second read."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.atomic import write_file
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Pin, Segment

_RANGES = TypeAdapter(tuple[Segment, ...])


class ReadLedger:
    """A reader that records the CRC64NVME of every range it reads from S3.

    Used in a merge; with the recorded ranges, the upload derives a merged object's checksum from the base object's.
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
        """Return the ranges that were read, with their checksums."""
        return tuple(self._ranges.values())

    def save(self, path: Path) -> None:
        """Write the ranges to a file for the upload task."""
        write_file(path, _RANGES.dump_json(self.ranges()))


def load_ranges(path: Path) -> tuple[Segment, ...]:
    """Return the ranges that ``save`` wrote."""
    return _RANGES.validate_json(path.read_bytes())
