"""Store in S3 what a step wrote on a worker's disk, so that a later step and the delivery copy it from there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.reading import RangeReader, chunks
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment, slice_segments
from include.checkpoint.writing.overlay import overlay
from include.checkpoint.writing.progress import LogProgress
from include.delivery.destination import Destination
from include.delivery.manifest import Manifest
from include.delivery.parts import plan_parts
from include.delivery.relocation import relocate
from include.delivery.tally import Tally
from include.delivery.transfer import TransferSettings
from include.delivery.upload import store_files

log = logging.getLogger(__name__)

#: The one object of a step.
OBJECT = "parts"
_OVERLAY = "neighbours.overlay"


@dataclass(frozen=True)
class Staging:
    """How a checkpoint is stored.

    Attributes:
        destination: a prefix that holds this checkpoint's object and nothing else.
        folder: scratch space, for the ranges in S3 that are too short to be copied.
        earlier: complete deliveries that may hold the same bytes, preferred ones first.
        objects: objects in S3 that hold the same bytes as local files, by the file's path.
        settings: concurrency, part size and bandwidth.
    """

    destination: Destination
    folder: Path
    earlier: tuple[Manifest, ...] = ()
    objects: Mapping[str, Pin] = field(default_factory=dict)
    settings: TransferSettings = field(default_factory=TransferSettings)


def stage(checkpoint: Checkpoint, staging: Staging, reader: RangeReader) -> Checkpoint:
    """Return the same checkpoint with all of its bytes in S3.

    Bytes that are nowhere in S3 are stored in one object, in the order and with the neighbours with which a delivery
    would send them: so each stretch is long enough for the delivery to copy it, and none is sent twice. Only files and
    ends of files below the smallest part of an upload (5 MiB) are. What an earlier try stored is not sent again.

    Raises what ``store_files`` raises.
    """
    placed = relocate(_with_checksums(_by_objects(checkpoint, staging.objects), reader), staging.earlier)
    stretches = [list(_stretches(file, staging.settings.part_size)) for file in placed.files]
    sent = [segment for file in stretches for stretch in file if stretch.is_sent for segment in stretch.segments]
    if not sent:
        return _pinned(placed, placed.files, ())
    path = staging.folder / _OVERLAY
    with overlay(path, sum(it.length for it in sent if is_s3_uri(it.uri)), durable=False) as out:
        local = [out.append_all(_bytes(it, reader)) if is_s3_uri(it.uri) else it for it in sent]
    stored = _store(replace(placed, files=(CheckpointFile(OBJECT, tuple(local)),)), staging)
    path.unlink()
    places = _placed(local, stored.uri)
    files = [
        CheckpointFile(file.name, tuple(it for stretch in found for it in _moved(stretch, places)))
        for file, found in zip(placed.files, stretches, strict=True)
    ]
    return _pinned(placed, files, (stored,))


@dataclass(frozen=True)
class _Stretch:
    """Adjacent segments of a file; ``is_sent`` says whether a delivery of the file would send them."""

    segments: tuple[Segment, ...]
    is_sent: bool


def _stretches(file: CheckpointFile, part_size: int) -> Iterator[_Stretch]:
    start = 0
    for copied, parts in groupby(plan_parts(file, part_size), key=lambda part: part.copied):
        length = sum(part.length for part in parts)
        segments = slice_segments(file, start, length)
        yield _Stretch(segments, not copied and any(not is_s3_uri(it.uri) for it in segments))
        start += length


def _by_objects(checkpoint: Checkpoint, objects: Mapping[str, Pin]) -> Checkpoint:
    """Return the checkpoint with local files replaced by the objects that hold the same bytes."""
    named = _each_segment(checkpoint, lambda it: replace(it, uri=objects[it.uri].uri) if it.uri in objects else it)
    return replace(named, pins=tuple(dict.fromkeys(objects.get(pin.uri, pin) for pin in checkpoint.pins)))


def _with_checksums(checkpoint: Checkpoint, reader: RangeReader) -> Checkpoint:
    """Return the checkpoint with the checksum of every local segment."""
    return _each_segment(checkpoint, lambda segment: _measured(segment, reader))


def _each_segment(checkpoint: Checkpoint, change: Callable[[Segment], Segment]) -> Checkpoint:
    files = (CheckpointFile(file.name, tuple(map(change, file.segments))) for file in checkpoint.files)
    return replace(checkpoint, files=tuple(files))


def _measured(segment: Segment, reader: RangeReader) -> Segment:
    from awscrt.checksums import crc64nvme

    if is_s3_uri(segment.uri) or segment.crc64nvme is not None:
        return segment
    crc = 0
    for data in _bytes(segment, reader):
        crc = crc64nvme(data, crc)
    return replace(segment, crc64nvme=crc)


def _bytes(segment: Segment, reader: RangeReader) -> Iterator[bytes]:
    return chunks(CheckpointFile(segment.uri, (segment,)), reader)


def _store(checkpoint: Checkpoint, staging: Staging) -> Pin:
    tally = Tally(LogProgress("Storing in the workspace"), len(checkpoint.files), checkpoint.size)
    [stored] = store_files(staging.destination, checkpoint, staging.settings, tally)
    uri = staging.destination.uri(stored.name)
    log.info("%s: sent %s bytes, found %s bytes there", uri, f"{tally.sent:,}", f"{tally.reused:,}")
    return Pin(uri=uri, size=stored.size, version=stored.etag)


def _placed(local: Iterable[Segment], uri: str) -> Iterator[Segment]:
    """Yield where each of the stored segments is in the object."""
    position = 0
    for it in local:
        yield Segment(uri=uri, offset=position, length=it.length, crc64nvme=it.crc64nvme)
        position += it.length


def _moved(stretch: _Stretch, places: Iterator[Segment]) -> Iterator[Segment]:
    return (next(places) if stretch.is_sent else it for it in stretch.segments)


def _pinned(checkpoint: Checkpoint, files: Iterable[CheckpointFile], pins: tuple[Pin, ...]) -> Checkpoint:
    """Return the checkpoint with these files and the pins of what they refer to."""
    kept = tuple(files)
    used = {segment.uri for file in kept for segment in file.segments}
    return replace(checkpoint, files=kept, pins=tuple(pin for pin in (*checkpoint.pins, *pins) if pin.uri in used))
