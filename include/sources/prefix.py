"""Describe the files of a checkpoint in S3 by the checksums that S3 holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from include.aws.s3 import objects_under, request
from include.aws.s3_uri import S3Uri
from include.checkpoint.files.segments import Pin
from include.sources.checksum_memory import ChecksumMemory
from include.sources.checksums import decode
from include.sources.errors import SourceArchivedError, SourceTooManyFilesError
from include.sources.fingerprint import SourceFile
from include.sources.object_stream import ObjectStream
from include.sources.rate import UNLIMITED
from include.sources.walk import MAX_ENTRIES

HEAD_WORKERS = 16
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (x-amz-storage-class, x-amz-restore)
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_RESTORED = 'ongoing-request="false"'


def list_prefix(client: Any, uri: str) -> dict[str, Pin]:
    """Return the objects under an ``s3://`` prefix, by the rest of their keys.

    Raises:
        SourceTooManyFilesError: there are more than in any model's folder. S3RequestError: S3 refused the request.
    """
    bucket, prefix = S3Uri.parse(f"{uri}/")
    prefix = "" if prefix == "/" else prefix
    found: dict[str, Pin] = {}
    for item in objects_under(client, bucket, prefix):
        name = item["Key"].removeprefix(prefix)
        if not name.endswith("/") and name:
            found[name] = Pin(uri=str(S3Uri(bucket, item["Key"])), size=item["Size"], version=item["ETag"].strip('"'))
        if len(found) > MAX_ENTRIES:
            raise SourceTooManyFilesError(uri, MAX_ENTRIES)
    return found


def pin_object(client: Any, uri: str) -> Pin:
    """Return the object pinned by its ETag; raises S3RequestError, and SourceArchivedError when it must be restored."""
    answer = _head(client, uri)
    return Pin(uri=uri, size=answer["ContentLength"], version=answer["ETag"].strip('"'))


def describe_objects(
    client: Any, uri: str, pins: dict[str, Pin], cache_dir: Path | None = None
) -> tuple[SourceFile, ...]:
    """Return the objects by name, each with its CRC64NVME from S3.

    An object without such a checksum (older than 2025, or written with another algorithm) is read once, and the result
    is remembered in ``cache_dir`` by its ETag.
    """
    memory = ChecksumMemory(cache_dir, uri)
    with ThreadPoolExecutor(HEAD_WORKERS) as pool:
        crcs = pool.map(lambda name: _checksum(client, name, pins[name], memory), sorted(pins))
        files = tuple(SourceFile(name, pins[name].size, crc) for name, crc in zip(sorted(pins), crcs, strict=True))
    memory.save()
    return files


def _checksum(client: Any, name: str, pin: Pin, memory: ChecksumMemory) -> int:
    state = f"{pin.size} bytes, ETag {pin.version}"
    crc = memory.recall(name, state)
    if crc is None:
        crc = ask_checksum(client, pin)
        crc = _read_checksum(client, pin) if crc is None else crc
        memory.remember(name, state, crc)
    return crc


def ask_checksum(client: Any, pin: Pin) -> int | None:
    """Return the object's full CRC64NVME in S3, or None."""
    answer = _head(client, pin.uri)
    whole = answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    return decode(answer["ChecksumCRC64NVME"]) if whole and "ChecksumCRC64NVME" in answer else None


def _read_checksum(client: Any, pin: Pin) -> int:
    from awscrt.checksums import crc64nvme

    crc = 0
    for chunk in ObjectStream(client, pin, UNLIMITED).chunks():
        crc = crc64nvme(chunk, crc)
    return crc


def _head(client: Any, uri: str) -> dict[str, Any]:
    bucket, key = S3Uri.parse(uri)
    answer = request(client, "head_object", uri, {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED"})
    storage_class = answer.get("StorageClass", "")
    if storage_class in _ARCHIVES and _RESTORED not in answer.get("Restore", ""):
        raise SourceArchivedError(uri, storage_class)
    return answer
