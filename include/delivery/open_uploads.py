"""Find and abort multipart uploads that an earlier run did not finish."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from include.aws.errors import S3RequestError
from include.aws.s3 import request
from include.delivery.destination import Destination
from include.sources.checksums import decode


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that is neither completed nor aborted."""

    name: str
    upload_id: str
    initiated: datetime
    resumable: bool


@dataclass(frozen=True)
class KeptPart:
    """A stored part of an open upload; the CRC is None where S3 does not list it."""

    size: int
    etag: str
    crc64nvme: int | None

    def holds(self, data: bytes, crc: int) -> bool:
        """Return whether the part holds these bytes, whose CRC64NVME is ``crc``."""
        if self.size != len(data):
            return False
        if self.crc64nvme is not None:
            return self.crc64nvme == crc
        return self.etag == hashlib.md5(data, usedforsecurity=False).hexdigest()


def list_open_uploads(destination: Destination) -> list[OpenUpload]:
    """Return the unfinished uploads under the prefix, newest first."""
    prefix = f"{destination.prefix}/"
    uploads = [_open_upload(item, prefix) for item in _pages(destination, prefix)]
    return sorted(uploads, key=lambda upload: (upload.initiated, upload.upload_id), reverse=True)


def _open_upload(item: dict[str, Any], prefix: str) -> OpenUpload:
    # Some servers list neither; their parts are compared by ETag, and the whole object when it is complete.
    ours = item.get("ChecksumAlgorithm") or "CRC64NVME", item.get("ChecksumType") or "FULL_OBJECT"
    name = item["Key"].removeprefix(prefix)
    return OpenUpload(name, item["UploadId"], item["Initiated"], ours == ("CRC64NVME", "FULL_OBJECT"))


def _pages(destination: Destination, prefix: str) -> Iterator[dict[str, Any]]:
    arguments = {"Bucket": destination.bucket, "Prefix": prefix}
    while True:
        page = request(destination.client, "list_multipart_uploads", destination.uri(), arguments)
        yield from page.get("Uploads", ())
        if not page.get("IsTruncated"):
            return
        arguments |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def list_kept_parts(destination: Destination, upload: OpenUpload) -> dict[int, KeptPart]:
    """Return the stored parts of an upload by number; empty when the upload is gone."""
    kept = {}
    for item in _listed_parts(destination, upload):
        crc = item.get("ChecksumCRC64NVME")
        kept[item["PartNumber"]] = KeptPart(item["Size"], item["ETag"].strip('"'), decode(crc) if crc else None)
    return kept


def _listed_parts(destination: Destination, upload: OpenUpload) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    marker = 0
    while True:
        try:
            page = destination.call("list_parts", upload.name, UploadId=upload.upload_id, PartNumberMarker=marker)
        except S3RequestError as error:
            if error.code != "NoSuchUpload":
                raise
            return []
        listed += page.get("Parts", ())
        if not page.get("IsTruncated"):
            return listed
        marker = page["NextPartNumberMarker"]


def abort(destination: Destination, name: str, upload_id: str) -> None:
    """Abort an upload, which frees its parts; do nothing when it is gone already."""
    try:
        destination.call("abort_multipart_upload", name, UploadId=upload_id)
    except S3RequestError as error:
        if error.code != "NoSuchUpload":
            raise


def abort_abandoned(destination: Destination, unused_since: datetime) -> list[OpenUpload]:
    """Abort the uploads under the prefix that were started and last extended before this time; return them."""
    old = [upload for upload in list_open_uploads(destination) if upload.initiated < unused_since]
    abandoned = [upload for upload in old if _last_part_at(destination, upload) < unused_since]
    for upload in abandoned:
        abort(destination, upload.name, upload.upload_id)
    return abandoned


def _last_part_at(destination: Destination, upload: OpenUpload) -> datetime:
    return max((part["LastModified"] for part in _listed_parts(destination, upload)), default=upload.initiated)
