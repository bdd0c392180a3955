"""Compute the checksum of a file that is an S3 object with some ranges replaced, without reading the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.sources.checksums import after_replacement, combine
from include.sources.prefix import ask_checksum


class WholeObject(NamedTuple):
    """An object in S3 with its full-object checksum."""

    uri: str
    size: int
    crc64nvme: int


def derive_checksums(client: Any, checkpoint: Checkpoint, read_ranges: Iterable[Segment]) -> dict[str, int]:
    """Return the CRC64NVME of each file for which it is known or can be derived from S3's checksums."""
    known = {file.name: file.crc64nvme for file in checkpoint.files}
    ranges = by_start(read_ranges)
    pins = {pin.uri: pin for pin in checkpoint.pins}
    for file in checkpoint.files:
        uri = _base_of(file, {pin.uri for pin in checkpoint.pins if pin.size == file.size})
        if known[file.name] is None and uri:
            crc = ask_checksum(client, pins[uri])
            known[file.name] = crc if crc is None else derive(file, WholeObject(uri, file.size, crc), ranges)
    return {name: crc for name, crc in known.items() if crc is not None}


def derive(file: CheckpointFile, base: WholeObject, ranges: Mapping[tuple[str, int], Sequence[Segment]]) -> int | None:
    """Return the CRC64NVME of ``file``, which is ``base`` with some ranges replaced by the same number of bytes.

    ``ranges`` are what was read of the base, by URI and offset. None when a checksum is missing, or when the file is
    not laid out like the base.
    """
    crc = base.crc64nvme
    for start, replacement in _replacements(file, base.uri):
        length = sum(segment.length for segment in replacement)
        before = _combined(_tiles(ranges, base.uri, start, start + length))
        after = _combined(replacement)
        if before is None or after is None:
            return None
        crc = after_replacement(crc, base.size, start + length, before, after)
    return crc


def _base_of(file: CheckpointFile, candidates: Collection[str]) -> str:
    """Return the S3 object, of these of the file's size, whose ranges have the same offsets in the file.

    Empty if there is none, or more than one.
    """
    position = 0
    found: set[str] = set()
    moved: set[str] = set()
    for segment in file.segments:
        if is_s3_uri(segment.uri) and segment.uri in candidates:
            (found if segment.offset == position else moved).add(segment.uri)
        position += segment.length
    found -= moved
    return found.pop() if len(found) == 1 else ""


def _replacements(file: CheckpointFile, base_uri: str) -> Iterator[tuple[int, list[Segment]]]:
    """Return the ranges that do not come from the base, with their offsets in the file."""
    position = 0
    for from_base, stretch in groupby(file.segments, key=lambda segment: segment.uri == base_uri):
        segments = list(stretch)
        if not from_base:
            yield position, segments
        position += sum(segment.length for segment in segments)


def by_start(ranges: Iterable[Segment]) -> dict[tuple[str, int], list[Segment]]:
    """Return the ranges by URI and offset."""
    found: dict[tuple[str, int], list[Segment]] = {}
    for it in ranges:
        found.setdefault((it.uri, it.offset), []).append(it)
    return found


def _tiles(ranges: Mapping[tuple[str, int], Sequence[Segment]], uri: str, start: int, end: int) -> list[Segment] | None:
    """Return the ranges that cover ``start`` to ``end`` without gap or overlap."""
    tiles: list[Segment] = []
    while start < end:
        fitting = [it for it in ranges.get((uri, start), ()) if 0 < it.length <= end - start]
        if not fitting:
            return None
        tiles.append(max(fitting, key=lambda it: it.length))
        start += tiles[-1].length
    return tiles


def _combined(segments: Sequence[Segment] | None) -> int | None:
    if segments is None:
        return None
    pieces = [(segment.crc64nvme, segment.length) for segment in segments if segment.crc64nvme is not None]
    return combine(pieces) if len(pieces) == len(segments) else None
