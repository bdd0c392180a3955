"""The request handlers of multipart uploads, in place of moto's.

moto takes parts in any order, checks no checksum, answers HTTP 500 for unknown uploads, cuts ranges short without a
word, and lists parts by position instead of by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.s3.responses import S3Response

from include.local_aws.s3.checksums import MD5, encoded
from include.local_aws.s3.errors import (
    InvalidArgumentError,
    NoSuchKeyError,
    NoSuchUploadError,
    PreconditionFailedError,
)
from include.local_aws.s3.integrity import announced_integrity, checksum_header
from include.local_aws.s3.moto_storage import WRITING, StoredKey, StoredMultipart, store_completion
from include.local_aws.s3.multipart import check_part, completed_parts, upload_checksum
from include.local_aws.s3.preconditions import copy_range, same_etag
from include.local_aws.s3.stored_bytes import StoredBytes

OWNER = {"ID": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", "DisplayName": "webfile"}


class MultipartResponses(S3Response):  # type: ignore[misc]
    """Create, fill, list, complete and abort multipart uploads."""

    received: StoredBytes
    sent_headers: Mapping[str, str]

    def copy_source(self) -> StoredKey:
        """Return the object a copy reads, after its preconditions held."""
        raise NotImplementedError

    def upload_part(self) -> TYPE_RESPONSE:
        """UploadPart: the body's own checksums were verified by the guard."""
        upload, number = self._upload(), self._part_number()
        sent = announced_integrity(self.sent_headers).algorithm
        check_part(number, upload.checksum, sent)
        part = self._store_part(upload, number, self.received)
        headers = self._get_cors_headers_other() | part.response_dict
        shown = sent or upload.checksum.algorithm
        headers[checksum_header(shown)] = encoded(self.received.digest(shown))
        headers["content-length"] = "0"
        return 200, headers, ""

    def upload_part_copy(self) -> TYPE_RESPONSE:
        """UploadPartCopy: preconditions, range, and the checksum of the part in the answer."""
        upload, number = self._upload(), self._part_number()
        check_part(number, upload.checksum, upload.checksum.algorithm if upload.checksum.named else None)
        source = self.copy_source()
        wanted = copy_range(self.sent_headers.get("x-amz-copy-source-range"), source.size)
        part = self._store_part(upload, number, source.value[wanted])
        result = {"ETag": part.etag, "LastModified": part.last_modified_ISO8601, **_checksum_members(part)}
        return self._serialized_as("UploadPartCopy", {"CopyPartResult": result})

    def list_parts(self) -> TYPE_RESPONSE:
        """ListParts, with checksums, from the part number after the marker."""
        upload = self._upload()
        marker, most = self._get_int_param("part-number-marker", 0), min(self._get_int_param("max-parts", 1000), 1000)
        with WRITING:  # a part that is being replaced has no bytes for a moment
            parts = [(number, _part_members(number, part)) for number, part in sorted(upload.parts.items())]
        parts = [part for part in parts if part[0] > marker]
        shown = parts[:most]
        result = {
            "Bucket": self.bucket_name,
            "Key": upload.key_name,
            "UploadId": upload.id,
            "Initiator": OWNER,
            "Owner": OWNER,
            "StorageClass": upload.storage,
            "PartNumberMarker": marker,
            "NextPartNumberMarker": shown[-1][0] if shown else 0,
            "MaxParts": most,
            "IsTruncated": len(parts) > most,
            "Parts": [members for _, members in shown],
            **_upload_checksum_members(upload),
        }
        return self._serialized_as("ListParts", result)

    def list_multipart_uploads(self) -> TYPE_RESPONSE:
        """ListMultipartUploads, with the true time of each; all on one page."""
        uploads: Any = self.backend.list_multipart_uploads(self.bucket_name).values()
        prefix = self.querystring.get("prefix", [""])[0]
        result = {
            "Bucket": self.bucket_name,
            "Prefix": prefix,
            "IsTruncated": False,
            "Uploads": [_upload_members(upload) for upload in uploads if upload.key_name.startswith(prefix)],
        }
        return self._serialized_as("ListMultipartUploads", result)

    def check_creation(self) -> None:
        """Raise when CreateMultipartUpload asks for a checksum that no upload can have."""
        upload_checksum(*(self.sent_headers.get(f"x-amz-checksum-{name}") for name in ("algorithm", "type")))

    def complete_multipart_upload(self, key_name: str) -> TYPE_RESPONSE:
        """CompleteMultipartUpload; repeating a completed one answers the same again, as S3 does."""
        with WRITING:
            existing: Any = self.backend.get_object(self.bucket_name, key_name)
            repeated = existing and existing.multipart and existing.multipart.id == self._get_param("uploadId")
            key = existing if repeated else self._complete(existing)
        headers = {"x-amz-version-id": key.version_id} if key.version_id != "null" else {}
        if key.encryption:
            headers["x-amz-server-side-encryption"] = key.encryption
        result = {"Bucket": self.bucket_name, "Key": key_name, "ETag": key.etag, **_checksum_members(key)}
        result["Location"] = f"{self.request.host_url}{self.bucket_name}/{key_name}"
        result["ChecksumType"] = key.checksum_type
        status, answer_headers, body = self._serialized_as("CompleteMultipartUpload", result)
        return status, answer_headers | headers, body

    def _complete(self, existing: StoredKey | None) -> StoredKey:
        upload = self._upload()
        completion = upload.completion(completed_parts(bytes(self.received)), self.sent_headers)
        self._check_write_conditions(existing)
        return store_completion(self.backend, self.bucket_name, upload, completion)

    def _check_write_conditions(self, existing: StoredKey | None) -> None:
        if_match = self.sent_headers.get("if-match")
        if if_match is not None and existing is None:
            raise NoSuchKeyError("The specified key does not exist.", Key=self.parse_key_name())
        if if_match is not None and existing is not None and not same_etag(if_match, existing.etag):
            raise PreconditionFailedError(
                "At least one of the pre-conditions you specified did not hold", Condition="If-Match"
            )
        if self.sent_headers.get("if-none-match") == "*" and existing is not None:
            raise PreconditionFailedError(
                "At least one of the pre-conditions you specified did not hold", Condition="If-None-Match"
            )

    def _upload(self) -> StoredMultipart:
        upload_id = self._get_param("uploadId")
        upload: Any = self.backend.list_multipart_uploads(self.bucket_name).get(upload_id)
        if upload is None or upload.key_name != self.parse_key_name():
            raise NoSuchUploadError(
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
                "aborted or completed.",
                UploadId=upload_id,
            )
        return upload  # type: ignore[no-any-return]

    def _part_number(self) -> int:
        text = self._get_param("partNumber")
        if not text.isdecimal():
            raise InvalidArgumentError(
                "Part number must be an integer between 1 and 10000, inclusive",
                ArgumentName="partNumber",
                ArgumentValue=text,
            )
        return int(text)

    def _store_part(self, upload: StoredMultipart, number: int, body: StoredBytes) -> StoredKey:
        for algorithm in (MD5, upload.checksum.algorithm):
            body.digest(algorithm)
        with WRITING:
            part: Any = self.backend.upload_part(self.bucket_name, upload.id, number, body)
            part.keep_checksum(upload.checksum.algorithm)
        return part  # type: ignore[no-any-return]

    def _serialized_as(self, operation: str, result: dict[str, Any]) -> TYPE_RESPONSE:
        self.data["Action"] = operation
        status, headers, body = self.serialized(ActionResult(result))
        headers.update(self._get_cors_headers_other())
        headers["content-length"] = str(len(body.encode() if isinstance(body, str) else body))
        return status, headers, body


def shown_checksum(key: StoredKey) -> str:
    """Return an object's checksum as headers show it: a composite one with the number of its parts."""
    return f"{key.checksum_value}-{key.checksum_parts}" if key.checksum_parts else str(key.checksum_value)


def _checksum_members(key: StoredKey) -> dict[str, str]:
    return {f"Checksum{key.checksum_algorithm}": shown_checksum(key)}


def _part_members(number: int, part: Any) -> dict[str, Any]:
    return {
        "PartNumber": number,
        "LastModified": part.last_modified_ISO8601,
        "ETag": part.etag,
        "Size": part.size,
        **_checksum_members(part),
    }


def _upload_members(upload: StoredMultipart) -> dict[str, Any]:
    return {
        "Key": upload.key_name,
        "UploadId": upload.id,
        "Initiator": OWNER,
        "Owner": OWNER,
        "StorageClass": upload.storage,
        "Initiated": upload.initiated,
        **_upload_checksum_members(upload),
    }


def _upload_checksum_members(upload: StoredMultipart) -> dict[str, str]:
    return {"ChecksumAlgorithm": upload.checksum.algorithm.name, "ChecksumType": upload.checksum.type}
