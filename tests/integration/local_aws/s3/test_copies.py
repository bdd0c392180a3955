"""Copies inside S3: preconditions on the source, ranges, and the checksum of what they make."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.s3_requests import RawS3, checksum

Client = Any
MIB = 2**20
SOURCE = os.urandom(12 * MIB)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def etag(s3: Client, bucket: str) -> str:
    answer = s3.put_object(Bucket=bucket, Key="source", Body=SOURCE, ChecksumAlgorithm="CRC64NVME")
    return str(answer["ETag"])


@pytest.fixture(params=["copy_object", "upload_part_copy"])
def copy(request: pytest.FixtureRequest, s3: Client, bucket: str, etag: str) -> Callable[..., Any]:
    """Return a call that copies the source as an object or as a part."""
    place = {"Bucket": bucket, "Key": "copy"}
    if request.param == "upload_part_copy":
        created = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC64NVME")
        place |= {"UploadId": created["UploadId"], "PartNumber": 1}
    return lambda **options: getattr(s3, request.param)(**{**place, "CopySource": f"{bucket}/source", **options})


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        (lambda etag, _: {"CopySourceIfMatch": etag}, True),
        (lambda etag, _: {"CopySourceIfMatch": etag.strip('"')}, True),
        (lambda *_: {"CopySourceIfMatch": '"other"'}, False),
        (lambda *_: {"CopySourceIfNoneMatch": '"other"'}, True),
        (lambda etag, _: {"CopySourceIfNoneMatch": etag}, False),
        (lambda _, now: {"CopySourceIfUnmodifiedSince": now + HOUR}, True),
        (lambda _, now: {"CopySourceIfUnmodifiedSince": now - HOUR}, False),
        (lambda _, now: {"CopySourceIfModifiedSince": now - HOUR}, True),
        (lambda _, now: {"CopySourceIfModifiedSince": now + HOUR}, False),
        (lambda etag, now: {"CopySourceIfMatch": etag, "CopySourceIfUnmodifiedSince": now - HOUR}, True),
        (lambda etag, now: {"CopySourceIfNoneMatch": etag, "CopySourceIfModifiedSince": now - HOUR}, False),
    ],
)
def test_a_copy_is_made_only_when_the_conditions_on_its_source_hold(
    copy: Callable[..., Any], etag: str, conditions: Callable[..., dict[str, Any]], holds: bool
) -> None:
    given = conditions(etag, dt.datetime.now(dt.UTC))
    if holds:
        assert copy(**given)["ResponseMetadata"]["HTTPStatusCode"] == 200
        return
    with pytest.raises(ClientError) as caught:
        copy(**given)
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_a_missing_source_is_refused(copy: Callable[..., Any], bucket: str) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        copy(CopySource=f"{bucket}/none")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        copy(CopySource="no-such-bucket-anywhere/none")


def test_a_source_of_another_owner_is_refused(copy: Callable[..., Any]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        copy(ExpectedSourceBucketOwner="111111111111")
    assert copy(ExpectedSourceBucketOwner="123456789012")


def test_a_copied_object_has_the_bytes_and_a_checksum_of_the_whole(s3: Client, bucket: str, etag: str) -> None:
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/source")
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert copied["CopyObjectResult"]["ChecksumCRC64NVME"] == head["ChecksumCRC64NVME"] == checksum("CRC64NVME", SOURCE)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == SOURCE
    s3.delete_object(Bucket=bucket, Key="source")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == SOURCE


def test_a_copy_can_get_another_checksum(s3: Client, bucket: str, etag: str) -> None:
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/source", ChecksumAlgorithm="CRC32C")
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32C"] == checksum("CRC32C", SOURCE)
    assert head["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("bytes=0", "must be of the form bytes=first-last"),
        ("bytes=5-", "must be of the form bytes=first-last"),
        ("bytes=-5", "must be of the form bytes=first-last"),
        ("bytes=9-5", "must be of the form bytes=first-last"),
        ("bytes=0-4,6-7", "must be of the form bytes=first-last"),
        (f"bytes=0-{len(SOURCE)}", f"not valid for source object of size: {len(SOURCE)}"),
    ],
)
def test_a_range_that_is_none_or_leaves_the_source_is_refused(
    s3: Client, bucket: str, etag: str, wanted: str, message: str
) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    place = {"Bucket": bucket, "Key": "copy", "UploadId": upload, "PartNumber": 1}
    with pytest.raises(ClientError, match="InvalidArgument") as caught:
        s3.upload_part_copy(**place, CopySource=f"{bucket}/source", CopySourceRange=wanted)
    assert message in caught.value.response["Error"]["Message"]
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="copy", UploadId=upload)


def test_a_range_of_a_source_of_five_megabytes_is_refused(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="small", Body=bytes(5 * MIB))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    part = {"Bucket": bucket, "Key": "copy", "UploadId": upload, "PartNumber": 1, "CopySource": f"{bucket}/small"}
    with pytest.raises(ClientError, match="not supported as a byte-range copy source"):
        s3.upload_part_copy(**part, CopySourceRange="bytes=0-9")
    assert s3.upload_part_copy(**part)["CopyPartResult"]["ETag"]


def test_an_object_put_together_from_ranges_and_parts_has_the_checksum_of_its_bytes(
    s3: Client, bucket: str, etag: str
) -> None:
    fresh, whole = os.urandom(6 * MIB), b""
    place = {"Bucket": bucket, "Key": "whole"}
    created = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC64NVME")
    place["UploadId"] = created["UploadId"]
    parts = []
    for number, (first, last) in enumerate([(1, 6 * MIB), (None, None), (7 * MIB, 12 * MIB - 1)], start=1):
        if first is None:
            made = s3.upload_part(**place, PartNumber=number, Body=fresh, ChecksumAlgorithm="CRC64NVME")
            whole += fresh
        else:
            span = {
                "CopySource": f"{bucket}/source",
                "CopySourceRange": f"bytes={first}-{last}",
                "CopySourceIfMatch": etag,
            }
            made = s3.upload_part_copy(**place, PartNumber=number, **span)["CopyPartResult"]
            whole += SOURCE[first : last + 1]
        parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumCRC64NVME": made["ChecksumCRC64NVME"]})
    s3.complete_multipart_upload(
        **place, MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=checksum("CRC64NVME", whole)
    )
    s3.delete_object(Bucket=bucket, Key="source")
    got = s3.get_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    assert got["Body"].read() == whole
    assert got["ChecksumCRC64NVME"] == checksum("CRC64NVME", whole)
    assert got["ChecksumType"] == "FULL_OBJECT"


def test_a_copy_source_may_be_written_in_any_of_its_forms(s3: Client, raw: RawS3, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b/ü+%", Body=b"bytes")
    s3.copy_object(Bucket=bucket, Key="one", CopySource={"Bucket": bucket, "Key": "a b/ü+%"})
    raw.send("PUT", f"/{bucket}/two", x_amz_copy_source=f"/{bucket}/a%20b%2F%C3%BC%2B%25")
    assert raw.send("GET", f"/{bucket}/one").body == raw.send("GET", f"/{bucket}/two").body == b"bytes"
