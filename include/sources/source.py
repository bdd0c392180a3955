"""A model's source: its files, described by metadata, and a readable location of its bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.files.atomic import sync
from include.checkpoint.files.segments import Pin
from include.sources.archive import UnpackLimits, unpack
from include.sources.cache import SourceCache
from include.sources.checksums import encode
from include.sources.errors import (
    ClientMissingError,
    SourceDownloadError,
    SourceFolderMissingError,
    SourceIsFileError,
)
from include.sources.finding import Role, find_checkpoint
from include.sources.fingerprint import SourceFile, describe_folder
from include.sources.location import FolderLocation, Location, S3Location, SageMakerLocation
from include.sources.object_stream import ObjectStream
from include.sources.prefix import describe_objects, list_prefix, pin_object
from include.sources.rate import RateLimit
from include.sources.sagemaker import locate
from include.sources.walk import files_inside, refuse_links_out

# Formats that cannot be read by range: pickles are loaded from a file of this machine.
WHOLE_FILE_SUFFIXES = (".pth", ".bin")


@dataclass(frozen=True)
class Source:
    """A source, described by its metadata.

    ``uri`` is the absolute folder, the ``s3://`` prefix or the ``s3://`` archive; ``pins`` are the objects in S3 that
    hold it. ``in_place`` means that it can be read by range without a download. ``role`` decides between the models and
    the adapters of an archive.
    """

    uri: str
    files: tuple[SourceFile, ...]
    in_place: bool
    pins: tuple[Pin, ...] = ()
    notes: tuple[str, ...] = ()
    role: Role = "base"


@dataclass(frozen=True)
class ReadableSource:
    """The absolute folder or ``s3://`` prefix that holds the checkpoint, and notes about it."""

    uri: str
    notes: tuple[str, ...]


def describe_source(
    location: Location,
    *,
    role: Role = "base",
    s3: Any = None,
    sagemaker: Any = None,
    cache_dir: Path | None = None,
) -> Source:
    """Describe the source at ``location`` from metadata, without a download where S3 has checksums.

    Args:
        location: what ``parse_location`` returned.
        role: base model or adapter; decides between several checkpoints.
        s3: S3 client, for sources in AWS.
        sagemaker: SageMaker client, for SageMaker's.
        cache_dir: where checksums are remembered.

    Raises:
        SourceFolderMissingError, SourceIsFileError: the path is not a folder.
        SourceEmptyError, SourceAmbiguousError: there is no checkpoint, or more than one.
        SourceTooManyFilesError, SourceLinkError: a source has too many files, or a link that leaves it.
        SageMakerSourceError, SageMakerRegionError, S3RequestError: AWS has no such source, or refuses access.
        ClientMissingError: a client is missing for this location.
    """
    if isinstance(location, FolderLocation):
        return _describe_local(location.path, role, cache_dir)
    if isinstance(location, SageMakerLocation):
        if sagemaker is None:
            raise ClientMissingError(location.name, "SageMaker")
        location = locate(location, sagemaker)
    if s3 is None:
        raise ClientMissingError(location.uri, "S3")
    return _describe_s3(location, role, s3, cache_dir)


def fetch_source(
    source: Source,
    cache: SourceCache,
    *,
    s3: Any = None,
    as_folder: bool = False,
    bytes_per_second: float | None = None,
) -> ReadableSource:
    """Return a location from which the files can be read by range; archives and pickles are cached first.

    ``as_folder`` caches everything: an adapter is small, and read completely. ``bytes_per_second`` limits the
    download, where a link is shared.

    Raises:
        HostileArchiveError, ArchiveUnreadableError: an archive is refused.
        SourceChangedError, SourceDownloadError: what arrived is not what was described.
        CacheFullError, DiskFilledError: there is no room.
    """
    if not source.pins or (source.in_place and not as_folder):
        return ReadableSource(source.uri, source.notes)
    key = _cache_key(source)
    downloads = _Downloads(s3, RateLimit(bytes_per_second))
    size = sum(file.size for file in source.files)
    entry = cache.get(key, lambda folder: _fill(folder, source, cache.max_bytes, downloads), least_size=size)
    return ReadableSource(str(entry.folder.absolute()), (*source.notes, *entry.notes))


def fetched_objects(source: Source, location: str) -> dict[str, Pin]:
    """Return the objects in S3 that hold the same bytes as the source's files in a folder, by the file's path.

    ``location`` is where ``fetch_source`` found or put the source; none of an archive's files is an object.
    """
    if is_s3_uri(location) or not source.pins or source.pins[0].uri == source.uri:
        return {}
    return {f"{location}/{pin.uri.rpartition('/')[2]}": pin for pin in source.pins}


def _cache_key(source: Source) -> str:
    """Return the source's key in the cache, from its location, its role and its ETags.

    Runs of all models share the cache, and a CRC can be made equal to that of another file.
    """
    pins = [(pin.uri, pin.size, pin.version) for pin in source.pins]
    identity = json.dumps([source.uri, source.role, sorted(pins), sorted(source.files)])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _describe_local(path: Path, role: Role, cache_dir: Path | None) -> Source:
    if path.is_file():
        raise SourceIsFileError(str(path))
    if not path.is_dir():
        raise SourceFolderMissingError(str(path))
    root = path.absolute()
    found = find_checkpoint(str(path), files_inside(root), role)
    folder = root / found.folder
    refuse_links_out(folder, root)
    return Source(str(folder), describe_folder(folder, cache_dir), in_place=True, notes=(found.note(),), role=role)


def _describe_s3(location: S3Location, role: Role, s3: Any, cache_dir: Path | None) -> Source:
    if location.is_archive:
        pin = pin_object(s3, location.uri)
        name = location.uri.rpartition("/")[2]
        files = describe_objects(s3, location.uri, {name: pin}, cache_dir)
        return Source(location.uri, files, in_place=False, pins=(pin,), role=role)
    listed = list_prefix(s3, location.uri)
    found = find_checkpoint(location.uri, listed, role)
    uri = f"{location.uri}/{found.folder}".rstrip("/")
    pins = {name: listed[f"{found.folder}/{name}".lstrip("/")] for name in found.names}
    whole = any(name.endswith(WHOLE_FILE_SUFFIXES) for name in found.names)
    files = describe_objects(s3, uri, pins, cache_dir)
    return Source(uri, files, not whole, tuple(pins.values()), (found.note(),), role)


def _fill(folder: Path, source: Source, max_bytes: int, downloads: _Downloads) -> tuple[str, ...]:
    if source.pins[0].uri == source.uri:
        return _unpack(folder, source, max_bytes, downloads)
    by_name = {pin.uri.rpartition("/")[2]: pin for pin in source.pins}
    # The cache syncs what it keeps; begun here, a file goes to the disk while the next one is downloaded.
    syncs = []
    with ThreadPoolExecutor(1, thread_name_prefix="sync") as disk:
        for file in source.files:
            downloads.write(by_name[file.name], file, folder)
            syncs.append(disk.submit(_synced_digest, folder / file.name))
    # The system reports a failed write to the first caller of fsync.
    return (_digest_note((file.name, each.result()) for file, each in zip(source.files, syncs, strict=True)),)


def _synced_digest(path: Path) -> str:
    sync(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_note(digests: Iterable[tuple[str, str]]) -> str:
    return f"SHA-256 when fetched: {', '.join(f'{name} {digest}' for name, digest in digests)}"


def _unpack(folder: Path, source: Source, max_bytes: int, downloads: _Downloads) -> tuple[str, ...]:
    unpacked = folder / "unpacked"
    digest = hashlib.sha256()
    chunks = downloads.chunks(source.pins[0], source.files[0], digest)
    names = unpack(source.uri, chunks, unpacked, UnpackLimits(max_bytes))
    found = find_checkpoint(source.uri, names, source.role)
    for name in found.names:
        (unpacked / found.folder / name).rename(folder / name)
    shutil.rmtree(unpacked)
    return found.note(), _digest_note([(source.files[0].name, digest.hexdigest())])


@dataclass(frozen=True)
class _Downloads:
    s3: Any
    limit: RateLimit

    def chunks(self, pin: Pin, file: SourceFile, digest: hashlib._Hash) -> Iterator[bytes]:
        """Yield the object's bytes and add them to ``digest``.

        Raises SourceDownloadError when, in the end, they are not the described ones.
        """
        from awscrt.checksums import crc64nvme

        crc = 0
        for chunk in ObjectStream(self.s3, pin, self.limit).chunks():
            crc = crc64nvme(chunk, crc)
            digest.update(chunk)
            yield chunk
        _check(pin, file, crc)

    def write(self, pin: Pin, file: SourceFile, folder: Path) -> None:
        """Write the object into the folder; raises SourceDownloadError when it is not the described one."""
        _check(pin, file, ObjectStream(self.s3, pin, self.limit).download(folder / file.name))


def _check(pin: Pin, file: SourceFile, crc: int) -> None:
    if crc != file.crc64nvme:
        raise SourceDownloadError(pin.uri, encode(file.crc64nvme), encode(crc))
