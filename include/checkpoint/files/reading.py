"""Read ranges of local files and S3 objects, and pin sources to detect changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from include.aws.s3_uri import S3Uri, is_s3_uri
from include.checkpoint.errors import (
    S3ClientMissingError,
    SourceChangedError,
    SourceTruncatedError,
    SourceUnreadableError,
)
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, slice_segments

CHUNK_SIZE = 8 * 2**20


class RangeReader(Protocol):
    """Reads byte ranges and pins sources."""

    def read(self, uri: str, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes; raises SourceTruncatedError if there are fewer."""
        ...

    def pin(self, uri: str) -> Pin:
        """Return a pin of the source in its current state."""
        ...

    def files(self, uri: str) -> dict[str, Pin]:
        """Return the files in a folder or under a prefix, by relative name with ``/``."""
        ...


class LocalReader:
    """Reads local files."""

    def read(self, uri: str, offset: int, length: int) -> bytes:
        try:
            with Path(uri).open("rb", buffering=0) as file:
                return _read_exactly(file.fileno(), uri, offset, length)
        except OSError as error:
            raise SourceUnreadableError(uri, str(error)) from error

    def pin(self, uri: str) -> Pin:
        try:
            stat = Path(uri).stat()
        except OSError as error:
            raise SourceUnreadableError(uri, str(error)) from error
        return Pin(uri=uri, size=stat.st_size, version=str(stat.st_mtime_ns))

    def files(self, uri: str) -> dict[str, Pin]:
        folder = Path(uri).absolute()
        if not folder.is_dir():
            raise SourceUnreadableError(uri, "a file, not a folder" if Path(uri).is_file() else "no such folder")
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): self.pin(str(path)) for path in paths}


class S3Reader:
    """Reads objects by range requests through a boto3 S3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, uri: str, offset: int, length: int) -> bytes:
        if not length:
            return b""
        bucket, key = S3Uri.parse(uri)
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}")
            data: bytes = answer["Body"].read()
        except self._client.exceptions.ClientError as error:
            raise SourceUnreadableError(uri, str(error)) from error
        if len(data) != length:
            raise SourceTruncatedError(uri, f"{length} bytes from {offset}", f"{len(data)}")
        return data

    def pin(self, uri: str) -> Pin:
        bucket, key = S3Uri.parse(uri)
        try:
            head = self._client.head_object(Bucket=bucket, Key=key)
        except self._client.exceptions.ClientError as error:
            raise SourceUnreadableError(uri, str(error)) from error
        return Pin(uri=uri, size=head["ContentLength"], version=head["ETag"].strip('"'))

    def files(self, uri: str) -> dict[str, Pin]:
        bucket, prefix = S3Uri.parse(uri.rstrip("/") + "/")
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return {
                item["Key"][len(prefix) :]: Pin(
                    uri=str(S3Uri(bucket, item["Key"])), size=item["Size"], version=item["ETag"].strip('"')
                )
                for page in pages
                for item in page.get("Contents", ())
                if not item["Key"].endswith("/")
            }
        except self._client.exceptions.ClientError as error:
            raise SourceUnreadableError(uri, str(error)) from error


class UriReader:
    """Reads local paths, and ``s3://`` URIs where an S3 client was given."""

    def __init__(self, s3_client: Any = None) -> None:
        self._s3 = S3Reader(s3_client) if s3_client is not None else None

    def read(self, uri: str, offset: int, length: int) -> bytes:
        return self._of(uri).read(uri, offset, length)

    def pin(self, uri: str) -> Pin:
        return self._of(uri).pin(uri)

    def files(self, uri: str) -> dict[str, Pin]:
        return self._of(uri).files(uri)

    def _of(self, uri: str) -> RangeReader:
        if not is_s3_uri(uri):
            return _LOCAL_FILES
        if self._s3 is None:
            raise S3ClientMissingError(uri)
        return self._s3


_LOCAL_FILES = LocalReader()
LOCAL = UriReader()


def read(file: CheckpointFile, offset: int, length: int, reader: RangeReader = LOCAL) -> bytes:
    """Return ``length`` bytes of the file from ``offset``, fewer only at its end."""
    return b"".join(
        reader.read(segment.uri, segment.offset, segment.length) for segment in slice_segments(file, offset, length)
    )


def chunks(file: CheckpointFile, reader: RangeReader = LOCAL, chunk_size: int = CHUNK_SIZE) -> Iterator[bytes]:
    """Yield the file's bytes in order, at most ``chunk_size`` at a time."""
    for segment in file.segments:
        for done in range(0, segment.length, chunk_size):
            yield reader.read(segment.uri, segment.offset + done, min(chunk_size, segment.length - done))


def verify_pins(checkpoint: Checkpoint, reader: RangeReader = LOCAL) -> None:
    """Raise SourceChangedError if a source has changed since it was pinned."""
    for pin in checkpoint.pins:
        now = reader.pin(pin.uri)
        if now != pin:
            raise SourceChangedError(pin.uri, _say(pin), _say(now))


def _say(pin: Pin) -> str:
    return f"{pin.size} bytes, version {pin.version}"


def _read_exactly(descriptor: int, uri: str, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            raise SourceTruncatedError(uri, f"{length} bytes from {offset}", f"{len(data)}")
        data += more
    return data
