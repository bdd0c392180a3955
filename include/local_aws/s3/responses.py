"""moto's S3 request handlers with the checks that S3 does and moto leaves out."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.s3 import responses as moto_responses
from moto.s3.models import s3_backends

from include.local_aws.access.callers import caller_of
from include.local_aws.access.decisions import refusal
from include.local_aws.access.s3_demands import demands_of_s3
from include.local_aws.moto_patches.bucket_policies import ACTING
from include.local_aws.s3.checksums import ALGORITHMS, DEFAULT_ALGORITHM, encoded
from include.local_aws.s3.errors import AccessDeniedError, NoSuchKeyError, S3Error
from include.local_aws.s3.guard import BODY_KEY, header_values
from include.local_aws.s3.integrity import announced_integrity, checksum_header
from include.local_aws.s3.moto_storage import WRITING, StoredKey
from include.local_aws.s3.multipart_responses import MultipartResponses, shown_checksum
from include.local_aws.s3.operations import check_emulated
from include.local_aws.s3.preconditions import SourceState, check_copy_source
from include.local_aws.s3.stored_bytes import StoredBytes


class GuardedS3Response(MultipartResponses):
    """One S3 request. Bodies come from the guard, already verified."""

    def setup_class(self, request: Request, full_url: str | None = None, headers: Any = None) -> None:
        """Read the request."""
        self.received = request.environ.get(BODY_KEY, StoredBytes())
        self.sent_headers = header_values(request.environ)
        super().setup_class(request, full_url, headers)

    def key_response(self, request: Any, full_url: str, headers: dict[str, Any]) -> TYPE_RESPONSE:
        """Answer a request about an object."""
        try:
            self._check_path_style(request)
            return super().key_response(request, full_url, headers)
        except S3Error as error:
            return _error_response(error)

    def bucket_response(self, request: Any, full_url: str, headers: Any) -> TYPE_RESPONSE:
        """Answer a request about a bucket."""
        try:
            self._check_path_style(request)
            return super().bucket_response(request, full_url, headers)
        except S3Error as error:
            return _error_response(error)

    def put_object(self) -> TYPE_RESPONSE:
        """PutObject; conditions are checked and the object is stored in one step."""
        self.body = self.received
        algorithm = announced_integrity(self.sent_headers).algorithm or ALGORITHMS[DEFAULT_ALGORITHM]
        with WRITING:
            status, headers, body = super().put_object()
            key: Any = self.backend.get_object(self.bucket_name, self.parse_key_name())
            headers[checksum_header(algorithm)] = key.keep_checksum(algorithm)
        headers["x-amz-checksum-type"] = key.checksum_type
        return status, headers, body

    def delete_object(self) -> TYPE_RESPONSE:
        """DeleteObject; its condition is checked and the object deleted in one step."""
        with WRITING:
            return super().delete_object()

    def copy_object(self) -> TYPE_RESPONSE:
        """CopyObject, when the preconditions on the source hold."""
        with WRITING:
            self.copy_source()
            status, headers, body = super().copy_object()
        headers.pop("Checksum", None)
        return status, headers, body

    def get_object(self) -> TYPE_RESPONSE:
        """GetObject."""
        if "partNumber" in self.querystring:
            raise NotImplementedError("GetObject with partNumber")
        return super().get_object()

    def head_object(self, bucket_name: str, query: dict[str, Any], key_name: str, headers: Any) -> TYPE_RESPONSE:
        """HeadObject, with the checksum and its type when asked for."""
        status, answer_headers, body = super().head_object(bucket_name, query, key_name, headers)
        asked = self.sent_headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
        if status == 200 and asked and "partNumber" not in query:
            key: Any = self.backend.get_object(bucket_name, key_name, query.get("versionId", [None])[0])
            answer_headers[checksum_header(ALGORITHMS[key.checksum_algorithm])] = shown_checksum(key)
            answer_headers["x-amz-checksum-type"] = key.checksum_type
        return status, answer_headers, body

    def copy_source(self) -> StoredKey:
        """Return the object a copy reads, after its preconditions held."""
        path, _, query = self.sent_headers["x-amz-copy-source"].partition("?")
        bucket, _, name = unquote(path).lstrip("/").partition("/")
        _check_owner(bucket, self.sent_headers.get("x-amz-source-expected-bucket-owner"))
        key: Any = self.backend.get_object(bucket, name, parse_qs(query).get("versionId", [None])[0])
        if key is None:
            raise NoSuchKeyError("The specified key does not exist.", Key=name)
        check_copy_source(self.sent_headers, SourceState(key.etag, key.last_modified.replace(tzinfo=dt.UTC)))
        return key  # type: ignore[no-any-return]

    def _check_path_style(self, request: Any) -> None:
        if self.subdomain_based_buckets(request):
            return
        check_emulated(request)
        ACTING.caller = caller = caller_of(request.headers.get("Authorization"))
        if caller and (said := refusal(caller, demands_of_s3(request, caller.region))):
            raise AccessDeniedError(said)

    def _key_response(self, request: Any, full_url: str) -> TYPE_RESPONSE:
        _check_owner(self.bucket_name, self.sent_headers.get("x-amz-expected-bucket-owner"))
        return super()._key_response(request, full_url)

    def _bucket_response(self, request: Any, full_url: str) -> str | TYPE_RESPONSE:
        _check_owner(self.bucket_name, self.sent_headers.get("x-amz-expected-bucket-owner"))
        return super()._bucket_response(request, full_url)

    def _key_response_post(
        self, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str
    ) -> TYPE_RESPONSE:
        if "uploads" in query:
            self.check_creation()
        if "uploadId" not in query:
            return super()._key_response_post(request, body, bucket_name, query, key_name)
        self._set_action("KEY", "POST", query)
        self._authenticate_and_authorize_s3_action(bucket_name=bucket_name, key_name=key_name)
        return self.complete_multipart_upload(key_name)

    def _get_checksum(self, response_headers: dict[str, Any]) -> tuple[str, str | None]:
        """The checksum of the request, which the guard has verified; moto would believe it, or look for it in bytes."""
        integrity = announced_integrity(self.sent_headers)
        if integrity.algorithm is None:
            return "", None
        value = encoded(self.received.digest(integrity.algorithm))
        response_headers[checksum_header(integrity.algorithm)] = value
        return integrity.algorithm.name, value


def install() -> None:
    """Route moto's S3 requests to these handlers: moto loads its routes from this name again for each app."""
    moto_responses.S3Response = GuardedS3Response


def _error_response(error: S3Error) -> TYPE_RESPONSE:
    return error.status, {"content-type": "application/xml"}, error.to_xml()


def _check_owner(bucket_name: str, expected: str | None) -> None:
    owner = s3_backends.bucket_accounts.get(bucket_name)
    if expected is not None and owner is not None and owner[1] != expected:
        raise AccessDeniedError("Access Denied", BucketName=bucket_name, ExpectedBucketOwner=expected)
