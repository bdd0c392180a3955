"""Conditional writes and reads, and the owner a request expects."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Any


def put(s3: Client, bucket: str, **conditions: str) -> Any:
    return s3.put_object(Bucket=bucket, Key="key", Body=b"new", **conditions)


def complete(s3: Client, bucket: str, **conditions: str) -> Any:
    place = {"Bucket": bucket, "Key": "key"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    part = {"PartNumber": 1, "ETag": s3.upload_part(**place, PartNumber=1, Body=b"new")["ETag"]}
    return s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [part]}, **conditions)


writes = pytest.mark.parametrize("write", [put, complete])


def refusal(write: Callable[..., Any], s3: Client, bucket: str, **conditions: str) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        write(s3, bucket, **conditions)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@writes
def test_if_none_match_writes_only_where_nothing_is(s3: Client, bucket: str, write: Callable[..., Any]) -> None:
    write(s3, bucket, IfNoneMatch="*")
    assert refusal(write, s3, bucket, IfNoneMatch="*") == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="key")
    write(s3, bucket, IfNoneMatch="*")


@writes
def test_if_match_writes_only_over_what_was_seen(s3: Client, bucket: str, write: Callable[..., Any]) -> None:
    assert refusal(write, s3, bucket, IfMatch='"seen"') == ("NoSuchKey", 404)
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"old")["ETag"]
    assert refusal(write, s3, bucket, IfMatch='"other"') == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"old"
    write(s3, bucket, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"new"


def test_if_match_deletes_only_what_was_seen(s3: Client, bucket: str) -> None:
    def delete(s3: Client, bucket: str, **conditions: str) -> Any:
        return s3.delete_object(Bucket=bucket, Key="key", **conditions)

    assert refusal(delete, s3, bucket, IfMatch='"seen"') == ("NoSuchKey", 404)
    etag = put(s3, bucket)["ETag"]
    assert refusal(delete, s3, bucket, IfMatch='"other"') == ("PreconditionFailed", 412)
    delete(s3, bucket, IfMatch=etag)
    put(s3, bucket, IfNoneMatch="*")


@writes
def test_of_many_writers_with_if_none_match_one_succeeds(s3: Client, bucket: str, write: Callable[..., Any]) -> None:
    def attempt(_: int) -> str:
        try:
            write(s3, bucket, IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "written"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(16)))
    assert sorted(outcomes) == ["PreconditionFailed"] * 15 + ["written"]


@pytest.mark.parametrize(
    "call",
    [
        lambda s3, bucket, owner: s3.put_object(Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner=owner),
        lambda s3, bucket, owner: s3.get_object(Bucket=bucket, Key="key", ExpectedBucketOwner=owner),
        lambda s3, bucket, owner: s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner=owner),
        lambda s3, bucket, owner: s3.create_multipart_upload(Bucket=bucket, Key="k", ExpectedBucketOwner=owner),
        lambda s3, bucket, owner: s3.delete_object(Bucket=bucket, Key="key", ExpectedBucketOwner=owner),
    ],
)
def test_a_bucket_of_another_owner_than_expected_is_refused(s3: Client, bucket: str, call: Any) -> None:
    put(s3, bucket)
    with pytest.raises(ClientError) as caught:
        call(s3, bucket, "111111111111")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    call(s3, bucket, "123456789012")
