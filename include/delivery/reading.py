"""Reading a part's bytes when the network is not perfect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.checkpoint.errors import SourceTruncatedError, SourceUnreadableError
from include.checkpoint.reading import S3_SCHEME, RangeReader
from include.checkpoint.segments import Segment
from include.sources.s3_requests import is_transient, patiently


def read_part(reader: RangeReader, segments: Iterable[Segment], attempts: int) -> bytes:
    """Return the segments' bytes, one after the other; raises the last failure of the last attempt."""
    pieces = [_read(reader, segment, attempts) for segment in _joined(segments)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """The same bytes in as few reads as possible."""
    before: Segment | None = None
    for segment in segments:
        if before and (before.uri, before.offset + before.length) == (segment.uri, segment.offset):
            before = Segment(uri=before.uri, offset=before.offset, length=before.length + segment.length)
            continue
        if before:
            yield before
        before = segment
    if before:
        yield before


def _read(reader: RangeReader, segment: Segment, attempts: int) -> bytes:
    if not segment.uri.startswith(S3_SCHEME):
        return reader.read(segment.uri, segment.offset, segment.length)
    return patiently(lambda: reader.read(segment.uri, segment.offset, segment.length), attempts, _may_pass)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, SourceUnreadableError) and error.__cause__:
        return is_transient(error.__cause__)
    return isinstance(error, SourceTruncatedError) or is_transient(error)
