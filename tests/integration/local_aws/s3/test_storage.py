"""Objects of any size: on disk, read by range, gone when deleted, never in memory whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.support.local_aws_process import LocalAwsCommand

Client = Any
MIB = 2**20
SIZE = 256 * MIB


@pytest.fixture(scope="module")
def process() -> Iterator[LocalAwsCommand]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        with LocalAwsCommand() as process:
            process.folder = Path(folder)  # type: ignore[attr-defined]
            yield process


@pytest.fixture(scope="module")
def own_s3(process: LocalAwsCommand) -> Client:
    client = boto3.client(
        "s3", endpoint_url=process.endpoint_url, aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket="bucket")
    return client


def stored(process: LocalAwsCommand) -> int:
    folder: Path = process.folder  # type: ignore[attr-defined]
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def peak_memory(process: LocalAwsCommand) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.slow
def test_a_large_object_lies_on_disk_once_and_never_in_memory(
    process: LocalAwsCommand, own_s3: Client, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    with source.open("wb") as file:
        file.writelines(bytes([number % 251]) * MIB for number in range(SIZE // MIB))
    own_s3.put_object(Bucket="bucket", Key="warm", Body=b"")
    before = peak_memory(process)
    for config in (TransferConfig(multipart_chunksize=32 * MIB), TransferConfig(multipart_threshold=2 * SIZE)):
        own_s3.upload_file(str(source), "bucket", "key", Config=config)
    assert stored(process) == SIZE
    own_s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/key")
    assert stored(process) == SIZE
    own_s3.download_file("bucket", "copy", str(copy))
    assert copy.read_bytes() == source.read_bytes()
    if Path("/proc/self/status").exists():
        assert peak_memory(process) - before < SIZE / 2
    for key in ("key", "copy", "warm"):
        own_s3.delete_object(Bucket="bucket", Key=key)
    assert stored(process) == 0


def test_an_aborted_upload_and_a_refused_body_leave_no_bytes(process: LocalAwsCommand, own_s3: Client) -> None:
    place = {"Bucket": "bucket", "Key": "key"}
    place["UploadId"] = own_s3.create_multipart_upload(**place)["UploadId"]
    own_s3.upload_part(**place, PartNumber=1, Body=bytes(MIB))
    assert stored(process) == MIB
    own_s3.upload_part(**place, PartNumber=1, Body=bytes(2 * MIB))
    assert stored(process) == 2 * MIB
    with pytest.raises(ClientError, match="InvalidDigest"):
        own_s3.put_object(Bucket="bucket", Key="other", Body=bytes(MIB), ContentMD5="no")
    own_s3.abort_multipart_upload(**place)
    assert stored(process) == 0


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), (f"bytes={3 * MIB - 2}-", 3 * MIB - 2, None), ("bytes=-7", -7, None)],
)
def test_a_range_of_an_object_made_of_parts_is_its_bytes(
    s3: Client, bucket: str, wanted: str, first: int, last: int | None
) -> None:
    data = bytes(range(256)) * 4096 * 3 + b"the end"
    s3.put_object(Bucket=bucket, Key="key", Body=data)
    got = s3.get_object(Bucket=bucket, Key="key", Range=wanted)
    assert got["Body"].read() == data[first:last]
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"].endswith(f"/{len(data)}")


def test_a_range_outside_of_the_object_is_refused(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"12345")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", Range="bytes=5-9")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 416


def test_an_empty_object_is_an_object(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b""
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 0
