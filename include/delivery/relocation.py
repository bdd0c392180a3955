"""Find bytes in earlier deliveries that would otherwise be sent again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment
from include.delivery.manifest import Manifest


@dataclass(frozen=True)
class _Stretch:
    """A range of a source that is stored in an object of an earlier delivery."""

    start: int
    end: int
    uri: str
    offset: int


def relocate(checkpoint: Checkpoint, earlier: Iterable[Manifest]) -> Checkpoint:
    """Return the checkpoint with local segments replaced by S3 ranges where an earlier delivery holds the same bytes.

    Bytes are the same if they are the same range of the same pinned source, or have the same length and CRC64NVME.
    ``earlier`` are complete deliveries (see ``find_delivered``), preferred ones first.
    """
    delivered = _Delivered(checkpoint, earlier)
    files = tuple(
        CheckpointFile(name=file.name, segments=tuple(delivered.place_of(segment) for segment in file.segments))
        for file in checkpoint.files
    )
    used = {segment.uri for file in files for segment in file.segments}
    pins = (*checkpoint.pins, *(pin for uri, pin in delivered.pins.items() if uri in used))
    return Checkpoint(files=files, pins=tuple(dict.fromkeys(pins)), notes=checkpoint.notes)


class _Delivered:
    def __init__(self, checkpoint: Checkpoint, earlier: Iterable[Manifest]) -> None:
        self.pins: dict[str, Pin] = {}
        self._by_content: dict[tuple[int, int], Segment] = {}
        by_source: dict[str, list[_Stretch]] = {}
        versions = set(checkpoint.pins)
        for manifest in earlier:
            same_sources = {pin.uri for pin in manifest.pins if pin in versions}
            for file in manifest.files:
                uri = f"{manifest.s3_uri}{file.name}"
                self.pins.setdefault(uri, Pin(uri=uri, size=file.size, version=file.etag))
                self._add(uri, file.segments, same_sources, by_source)
        self._by_source = {uri: sorted(found, key=lambda it: it.start) for uri, found in by_source.items()}

    def _add(
        self, uri: str, segments: Iterable[Segment], same_sources: set[str], by_source: dict[str, list[_Stretch]]
    ) -> None:
        position = 0
        for it in segments:
            if it.crc64nvme is not None:
                there = Segment(uri=uri, offset=position, length=it.length, crc64nvme=it.crc64nvme)
                self._by_content.setdefault((it.length, it.crc64nvme), there)
            if it.uri in same_sources:
                stretch = _Stretch(it.offset, it.offset + it.length, uri, position)
                by_source.setdefault(it.uri, []).append(stretch)
            position += it.length

    def place_of(self, segment: Segment) -> Segment:
        """Return the segment's range in an earlier delivery, or the segment itself."""
        if is_s3_uri(segment.uri):
            return segment
        if segment.crc64nvme is not None and (found := self._by_content.get((segment.length, segment.crc64nvme))):
            return found
        stretches = self._by_source.get(segment.uri, [])
        at = bisect_right(stretches, segment.offset, key=lambda it: it.start)
        for stretch in reversed(stretches[:at]):
            if segment.offset + segment.length <= stretch.end:
                offset = stretch.offset + segment.offset - stretch.start
                return replace(segment, uri=stretch.uri, offset=offset)
        return segment
