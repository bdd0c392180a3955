"""The files of a training job: input channels, checkpoints and results, between S3 and the job's folder."""

from __future__ import annotations

import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

COPY_BYTES = 1 << 20


class ChannelEmptyError(Exception):
    """No object is below the S3 URI of an input channel."""

    def __init__(self, channel: str, uri: str) -> None:
        super().__init__(channel, uri)
        self.channel, self.uri = channel, uri

    def __str__(self) -> str:
        return f"No S3 objects found under S3 URL {self.uri!r} of the channel {self.channel!r}."


class KeyOutsideError(Exception):
    """The key of an object would be a file outside of its channel's folder."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"The key {self.key!r} is no file name."


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder, in order; another process may be changing it, so some may be gone."""
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)


def bytes_below(folder: Path) -> int:
    """Return the size of the files below a folder."""
    total = 0
    for path in files_below(folder):
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def download(s3: Any, uri: str, folder: Path) -> int:
    """Copy the objects below a URI into a folder; return how many.

    Raises:
        KeyOutsideError: a key leads out of the folder.
    """
    bucket, prefix = split_uri(uri)
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", ()):
            key = found["Key"]
            if not key.endswith("/"):
                _download_object(s3, bucket, key, _path_of(key, prefix, folder))
                count += 1
    return count


def _path_of(key: str, prefix: str, folder: Path) -> Path:
    path = folder / (key[len(prefix) :].lstrip("/") or key.rpartition("/")[2])
    if ".." in path.parts:
        raise KeyOutsideError(key)
    return path


def _download_object(s3: Any, bucket: str, key: str, path: Path) -> None:
    """Copy one object by GetObject, whose error, unlike that of HeadObject, names what the role lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], file, COPY_BYTES)


def download_channel(s3: Any, channel: dict[str, Any], inputs: Path) -> None:
    """Copy an input channel into its folder. Raises ChannelEmptyError without objects."""
    uri, name = channel["DataSource"]["S3DataSource"]["S3Uri"], channel["ChannelName"]
    (inputs / name).mkdir(parents=True)
    if not download(s3, uri, inputs / name):
        raise ChannelEmptyError(name, uri)


class Mirror:
    """Copies what changes in a folder to S3, as SageMaker does with checkpoints; it removes nothing there."""

    def __init__(self, s3: Any, folder: Path, uri: str) -> None:
        self._s3, self._folder, self._uri = s3, folder, uri
        self._seen: dict[Path, tuple[int, int]] = {}

    def restore(self) -> None:
        """Copy what is in S3 into the folder."""
        download(self._s3, self._uri.rstrip("/") + "/", self._folder)
        self._seen = {path: _state(path) for path in files_below(self._folder)}

    def copy_changes(self) -> None:
        """Copy the files that are new or changed since the last time."""
        bucket, prefix = split_uri(self._uri)
        for path in files_below(self._folder):
            try:
                if self._seen.get(path) == (state := _state(path)):
                    continue
                key = f"{prefix.rstrip('/')}/{path.relative_to(self._folder)}"
                self._s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
                self._seen[path] = state
            except FileNotFoundError:  # the job has renamed or removed it meanwhile
                continue


def upload_archive(s3: Any, folder: Path, uri: str) -> str | None:
    """Pack a folder as a tar.gz at a URI and return the URI; None when the folder is empty."""
    if not any(folder.iterdir()):
        return None
    packed = folder.with_suffix(".tar.gz")
    with tarfile.open(packed, "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    s3.upload_file(str(packed), *split_uri(uri))
    packed.unlink()
    return uri


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
