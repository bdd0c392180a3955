"""Read a part's bytes, with retries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Segment
from include.sources.patient_reader import PatientReader


def read_part(reader: RangeReader, segments: Iterable[Segment], attempts: int) -> bytes:
    """Return the concatenated bytes of the segments; raises what PatientReader raises."""
    patient = PatientReader(reader, attempts)
    pieces = [patient.read(segment.uri, segment.offset, segment.length) for segment in _joined(segments)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Join adjacent segments, so that the same bytes need fewer reads."""
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
