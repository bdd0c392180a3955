"""Plan an upload before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from include.checkpoint.files.segments import Checkpoint, CheckpointFile
from include.delivery.parts import Part, plan_parts


@dataclass(frozen=True)
class RemoteObject:
    """An object under the prefix. ``crc64nvme`` and ``recipe`` are None where S3 does not have them."""

    name: str
    size: int
    etag: str
    crc64nvme: int | None = None
    recipe: str | None = None


@dataclass(frozen=True)
class FilePlan:
    """A file to deliver; ``replaces`` is the ETag of a different object at its key."""

    name: str
    size: int
    crc64nvme: int | None
    recipe: str
    parts: tuple[Part, ...]
    replaces: str | None


@dataclass(frozen=True)
class UploadPlan:
    """The files to deliver, the files already delivered, and the objects that do not belong to the checkpoint."""

    files: tuple[FilePlan, ...]
    reused: tuple[RemoteObject, ...]
    extra: tuple[str, ...]


def plan_upload(
    checkpoint: Checkpoint, remote: Iterable[RemoteObject], part_size: int, checksums: Mapping[str, int]
) -> UploadPlan:
    """Return the work left until the prefix holds the checkpoint's files and nothing else.

    ``checksums`` are the CRC64NVME of the files that are known before anything is read.
    """
    there = {found.name: found for found in remote}
    names = set(checkpoint.names())
    files: list[FilePlan] = []
    reused: list[RemoteObject] = []
    for file in checkpoint.files:
        found = there.get(file.name)
        recipe = recipe_of(file, checkpoint)
        crc = checksums.get(file.name)
        if found and is_same(found, file.size, crc, recipe):
            reused.append(found)
        else:
            parts = plan_parts(file, part_size)
            files.append(FilePlan(file.name, file.size, crc, recipe, parts, found.etag if found else None))
    return UploadPlan(tuple(files), tuple(reused), tuple(sorted(there.keys() - names)))


def is_same(found: RemoteObject, size: int, crc64nvme: int | None, recipe: str) -> bool:
    """Return whether the object holds the file, by checksum or, where one is missing, by recipe."""
    if found.size != size:
        return False
    if crc64nvme is None or found.crc64nvme is None:
        return found.recipe == recipe
    return found.crc64nvme == crc64nvme


def recipe_of(file: CheckpointFile, checkpoint: Checkpoint) -> str:
    """Return the SHA-256, in hexadecimal, of the list of pinned ranges that make up the file."""
    versions = {pin.uri: pin.version for pin in checkpoint.pins}
    ranges = [(s.uri, versions.get(s.uri), s.offset, s.length, s.crc64nvme) for s in file.segments]
    return hashlib.sha256(repr(ranges).encode()).hexdigest()
