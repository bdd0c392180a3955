"""Decide where the parts of a multipart upload begin and end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.segments import CheckpointFile, Segment

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_SIZE = 5 * 2**20
MAX_PARTS = 10_000
# S3 copies up to 5 GiB a part; smaller ones let it copy several at once.
COPY_PART_SIZE = 512 * 2**20
# How much larger parts become until a file needs no more than MAX_PARTS: memory grows with them.
GROWTH = 1.25


@dataclass(frozen=True)
class Part:
    """A part of an upload: one range that S3 copies, or segments whose bytes are sent."""

    number: int
    segments: tuple[Segment, ...]
    copied: bool

    @property
    def length(self) -> int:
        """The part's length in bytes."""
        return sum(segment.length for segment in self.segments)


@dataclass(frozen=True)
class _Run:
    length: int
    copied: bool


def plan_parts(file: CheckpointFile, part_size: int) -> tuple[Part, ...]:
    """Return the parts of ``file``, all within S3's limits.

    Ranges that are already in S3 are copied where that pays; a range too short for a separate part is sent together
    with its neighbours. Sent parts have at most ``part_size`` bytes (or 10 MiB, where that is more), unless the file
    needs more than S3's 10,000 parts.
    """
    scale = 1.0
    while len(borders := _borders(file, int(part_size * scale), int(MIN_PART_SIZE * scale))) > MAX_PARTS:
        scale *= GROWTH
    pieces = _cut(file.segments, [run.length for run in borders])
    return tuple(
        Part(number, segments, run.copied)
        for number, (run, segments) in enumerate(zip(borders, pieces, strict=True), 1)
    )


def _cut(segments: Iterable[Segment], lengths: Iterable[int]) -> Iterator[tuple[Segment, ...]]:
    """Split the segments into runs of these lengths; a split segment loses its CRC."""
    waiting = deque(segment for segment in segments if segment.length)
    for length in lengths:
        stretch: list[Segment] = []
        missing = length
        while missing:
            segment = waiting.popleft()
            if segment.length > missing:
                end = segment.offset + missing
                waiting.appendleft(Segment(uri=segment.uri, offset=end, length=segment.length - missing))
                segment = Segment(uri=segment.uri, offset=segment.offset, length=missing)
            stretch.append(segment)
            missing -= segment.length
        yield tuple(stretch)


def _borders(file: CheckpointFile, part_size: int, min_size: int) -> list[_Run]:
    runs = _lengthen_short_sends(_without_short_copies(_runs(file), min_size), min_size)
    return [piece for run in runs for piece in _split(run, COPY_PART_SIZE if run.copied else part_size, min_size)] or [
        _Run(0, copied=False)
    ]


def _runs(file: CheckpointFile) -> list[_Run]:
    """Return the runs that S3 could copy in one request, and those that it cannot."""
    segments = [segment for segment in file.segments if segment.length]
    starts = [0] + [i for i, (a, b) in enumerate(pairwise(segments), start=1) if not _continues(a, b)]
    runs = []
    for first, last in pairwise([*starts, len(segments)]):
        length = sum(segment.length for segment in segments[first:last])
        runs += [_Run(length, _lies_in_s3(segments[first]))] if length else []
    return runs


def _continues(segment: Segment, following: Segment) -> bool:
    if not _lies_in_s3(segment):
        return not _lies_in_s3(following)
    return following.uri == segment.uri and following.offset == segment.offset + segment.length


def _lies_in_s3(segment: Segment) -> bool:
    return is_s3_uri(segment.uri)


def _without_short_copies(runs: list[_Run], min_size: int) -> list[_Run]:
    return [_Run(run.length, run.copied and run.length >= min_size) for run in runs]


def _lengthen_short_sends(runs: list[_Run], min_size: int) -> Iterator[_Run]:
    """Join neighbouring sends; one below the minimum part size takes the missing bytes from the copy after it."""
    waiting = deque(runs)
    while waiting:
        run = waiting.popleft()
        while waiting and not run.copied and (not waiting[0].copied or run.length < min_size):
            following = waiting.popleft()
            taken = following.length
            if following.copied and following.length >= 2 * min_size:
                taken = min_size - run.length
                waiting.appendleft(_Run(following.length - taken, copied=True))
            run = _Run(run.length + taken, copied=False)
        yield run


def _split(run: _Run, most: int, min_size: int) -> Iterator[_Run]:
    count = min(-(-run.length // most), max(1, run.length // min_size))
    for i in range(count):
        yield _Run(run.length * (i + 1) // count - run.length * i // count, run.copied)
