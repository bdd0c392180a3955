"""A checkpoint as a list of files, each a list of byte ranges in pinned sources."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from include.checkpoint.errors import FileNotInCheckpointError
from include.checkpoint.files.atomic import write_file


@dataclass(frozen=True)
class Pin:
    """The state of a source when it was read; ``version`` is the mtime in ns of a local file, the ETag of an object."""

    uri: str
    size: int
    version: str


@dataclass(frozen=True)
class Segment:
    """``length`` bytes from ``offset`` of ``uri``, an absolute local path or an ``s3://`` URI."""

    uri: str
    offset: int
    length: int
    crc64nvme: int | None = None


@dataclass(frozen=True)
class PlacedTensor:
    """A tensor and the segments of its bytes, in row order; ``dtype`` is its safetensors name."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return sum(segment.length for segment in self.segments)


@dataclass(frozen=True)
class CheckpointFile:
    """A file as the concatenation of its segments."""

    name: str
    segments: tuple[Segment, ...]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Return the offset in the file at which each segment ends; a file has thousands, and is cut as often."""
        return tuple(accumulate(segment.length for segment in self.segments))

    @property
    def size(self) -> int:
        """Return the file's length in bytes."""
        return self.ends[-1] if self.ends else 0

    @property
    def crc64nvme(self) -> int | None:
        """Return the file's CRC64NVME, combined from its segments', or None if one of them is not known."""
        from awscrt.checksums import combine_crc64nvme

        total = 0
        for segment in self.segments:
            if segment.crc64nvme is None:
                return None
            total = combine_crc64nvme(total, segment.crc64nvme, segment.length)
        return total


@dataclass(frozen=True)
class Checkpoint:
    """Files, the pins of their sources, and a note on each change or assumption."""

    files: tuple[CheckpointFile, ...]
    pins: tuple[Pin, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Return the total size of the files in bytes."""
        return sum(file.size for file in self.files)

    def file(self, name: str) -> CheckpointFile:
        """Return the file of this name; raises FileNotInCheckpointError."""
        for file in self.files:
            if file.name == name:
                return file
        raise FileNotInCheckpointError(name, ", ".join(self.names()))

    def names(self) -> tuple[str, ...]:
        """Return the names of all files."""
        return tuple(file.name for file in self.files)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON form atomically and sync it to disk."""
        write_file(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Return the Checkpoint that ``save`` wrote."""
        return cls.from_json(Path(path).read_bytes())

    def to_json(self) -> bytes:
        """Return the JSON form."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Checkpoint:
        """Return the Checkpoint with this JSON form."""
        saved = json.loads(data)
        files = tuple(_file(file) for file in saved["files"])
        return cls(files=files, pins=tuple(Pin(**pin) for pin in saved["pins"]), notes=tuple(saved["notes"]))


def _file(saved: dict[str, Any]) -> CheckpointFile:
    return CheckpointFile(name=saved["name"], segments=tuple(Segment(**segment) for segment in saved["segments"]))


def slice_segments(file: CheckpointFile, offset: int, length: int) -> tuple[Segment, ...]:
    """Return the segments of this range of the file; a cut segment loses its CRC."""
    found: list[Segment] = []
    for index in range(bisect_right(file.ends, offset), len(file.segments)):
        segment = file.segments[index]
        start = file.ends[index] - segment.length
        if start >= offset + length:
            break
        first, last = max(offset - start, 0), min(offset + length - start, segment.length)
        if first < last:
            whole = first == 0 and last == segment.length
            cut = Segment(uri=segment.uri, offset=segment.offset + first, length=last - first)
            found.append(segment if whole else cut)
    return tuple(found)
