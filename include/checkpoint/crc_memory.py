"""CRC64NVME of the byte ranges of local sources, computed once and remembered while a source stays the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from awscrt.checksums import crc64nvme

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.atomic import write_file
from include.checkpoint.files.reading import CHUNK_SIZE, LOCAL, RangeReader
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment
from include.checkpoint.writing.progress import Progress, no_progress


def with_crcs(
    checkpoint: Checkpoint, memory_dir: str | Path, *, progress: Progress = no_progress, reader: RangeReader = LOCAL
) -> Checkpoint:
    """The checkpoint with the CRC64NVME of every local segment known.

    What is not remembered in ``memory_dir`` for a source of the same size and mtime is read once and remembered.
    Segments in S3 keep what they have: S3 knows their CRCs itself.
    """
    memory = {pin.uri: _SourceMemory(pin, Path(memory_dir)) for pin in checkpoint.pins if _is_local(pin.uri)}
    unknown = [segment for segment in _segments(checkpoint) if _wanted(segment) and segment.uri in memory]
    unknown = [segment for segment in unknown if memory[segment.uri].get(segment) is None]
    total, done = sum(segment.length for segment in unknown), 0
    for count, segment in enumerate(unknown):
        progress(count, len(unknown), done, total)
        memory[segment.uri].put(segment, _crc(segment, reader))
        done += segment.length
    progress(len(unknown), len(unknown), total, total)
    for source in memory.values():
        source.save()
    files = tuple(_filled(file, memory) for file in checkpoint.files)
    return replace(checkpoint, files=files)


class _SourceMemory:
    """What is remembered of one source; what was remembered of an earlier state of it is forgotten."""

    def __init__(self, pin: Pin, folder: Path) -> None:
        self._pin = pin
        self._path = folder / f"{hashlib.sha256(pin.uri.encode()).hexdigest()[:32]}.json"
        self._changed = False
        self._crcs: dict[str, int] = {}
        try:
            remembered = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return
        if remembered.get("pin") == asdict(pin):
            self._crcs = remembered["crcs"]

    def get(self, segment: Segment) -> int | None:
        return self._crcs.get(_key(segment))

    def put(self, segment: Segment, crc: int) -> None:
        self._crcs[_key(segment)] = crc
        self._changed = True

    def save(self) -> None:
        if self._changed:
            content = {"pin": asdict(self._pin), "crcs": self._crcs}
            write_file(self._path, json.dumps(content).encode())


def _segments(checkpoint: Checkpoint) -> Iterable[Segment]:
    return (segment for file in checkpoint.files for segment in file.segments)


def _is_local(uri: str) -> bool:
    return not is_s3_uri(uri)


def _wanted(segment: Segment) -> bool:
    return segment.crc64nvme is None and _is_local(segment.uri)


def _key(segment: Segment) -> str:
    return f"{segment.offset}+{segment.length}"


def _crc(segment: Segment, reader: RangeReader) -> int:
    crc = 0
    for done in range(0, segment.length, CHUNK_SIZE):
        length = min(CHUNK_SIZE, segment.length - done)
        crc = crc64nvme(reader.read(segment.uri, segment.offset + done, length), crc)
    return crc


def _filled(file: CheckpointFile, memory: dict[str, _SourceMemory]) -> CheckpointFile:
    segments = tuple(
        replace(segment, crc64nvme=memory[segment.uri].get(segment))
        if _wanted(segment) and segment.uri in memory
        else segment
        for segment in file.segments
    )
    return CheckpointFile(name=file.name, segments=segments)
