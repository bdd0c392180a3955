"""No byte is stored that is not what its request says it is."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.s3_requests import DIGESTS, RawS3, aws_chunked, checksum

Client = Any
RIGHT, WRONG = b"the bytes that were meant" * 9000, b"the bytes that were sent!" * 9000
ALGORITHMS = sorted(DIGESTS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_right_checksum_in_a_header_is_kept(s3: Client, bucket: str, algorithm: str) -> None:
    given = {f"Checksum{algorithm}": checksum(algorithm, RIGHT)}
    put = s3.put_object(Bucket=bucket, Key="key", Body=RIGHT, **given)
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    got = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert got["Body"].read() == RIGHT
    for answer in (put, head, got):
        assert answer[f"Checksum{algorithm}"] == checksum(algorithm, RIGHT)
        assert answer["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_wrong_checksum_in_a_header_is_refused_and_nothing_stored(s3: Client, bucket: str, algorithm: str) -> None:
    given = {f"Checksum{algorithm}": checksum(algorithm, WRONG)}
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="key", Body=RIGHT, **given)
    assert caught.value.response["Error"]["Code"] == "BadDigest"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_a_checksum_in_a_trailer_is_verified(raw: RawS3, bucket: str, algorithm: str, signed: bool) -> None:
    name = f"x-amz-checksum-{algorithm.lower()}"
    streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" if signed else "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    answers = [
        raw.send(
            "PUT",
            f"/{bucket}/{key}",
            aws_chunked(RIGHT, f"{name}:{checksum(algorithm, said)}", signed=signed),
            x_amz_content_sha256=streaming,
            x_amz_decoded_content_length=str(len(RIGHT)),
            x_amz_trailer=name,
            content_encoding="aws-chunked",
        )
        for key, said in (("right", RIGHT), ("wrong", WRONG))
    ]
    assert [(answer.status, answer.code) for answer in answers] == [(200, ""), (400, "BadDigest")]
    stored = raw.send("GET", f"/{bucket}/right")
    assert stored.body == RIGHT
    assert "content-encoding" not in stored.headers
    assert raw.send("GET", f"/{bucket}/wrong").status == 404


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_wrong_checksum_of_a_part_is_refused(s3: Client, bucket: str, algorithm: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm)["UploadId"]
    part = {"Bucket": bucket, "Key": "key", "UploadId": upload, "PartNumber": 1, "Body": RIGHT}
    with pytest.raises(ClientError, match="BadDigest"):
        s3.upload_part(**part, **{f"Checksum{algorithm}": checksum(algorithm, WRONG)})
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    answer = s3.upload_part(**part, **{f"Checksum{algorithm}": checksum(algorithm, RIGHT)})
    assert answer[f"Checksum{algorithm}"] == checksum(algorithm, RIGHT)


def test_a_wrong_content_md5_is_refused(s3: Client, bucket: str) -> None:
    md5 = base64.b64encode(hashlib.md5(WRONG).digest()).decode()
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=bucket, Key="key", Body=RIGHT, ContentMD5=md5)
    with pytest.raises(ClientError, match="InvalidDigest"):
        s3.put_object(Bucket=bucket, Key="key", Body=RIGHT, ContentMD5="bm90IGFuIE1ENQ==")


def test_a_wrong_content_sha256_is_refused(raw: RawS3, bucket: str) -> None:
    answer = raw.send("PUT", f"/{bucket}/key", RIGHT, x_amz_content_sha256=hashlib.sha256(WRONG).hexdigest())
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert hashlib.sha256(RIGHT).hexdigest().encode() in answer.body


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x_amz_checksum_crc32": "AAAA"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "not base64!"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "AAAAAA==", "x_amz_checksum_sha1": "x"}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32"}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32C", "x_amz_checksum_crc32": "AAAAAA=="}, "InvalidRequest"),
        ({"x_amz_checksum_sha512": "AAAA"}, "NotImplemented"),
    ],
)
def test_contradictory_checksum_headers_are_refused(
    raw: RawS3, bucket: str, headers: dict[str, str], code: str
) -> None:
    assert raw.send("PUT", f"/{bucket}/key", RIGHT, **headers).code == code


@pytest.mark.parametrize(
    ("body", "length", "trailer", "code"),
    [
        (aws_chunked(RIGHT), len(RIGHT), "x-amz-checksum-crc32", "MalformedTrailerError"),
        (aws_chunked(RIGHT, "no colon in it"), len(RIGHT), "x-amz-checksum-crc32", "MalformedTrailerError"),
        (aws_chunked(RIGHT), len(RIGHT) + 1, "", "IncompleteBody"),
        (aws_chunked(RIGHT)[:100_000], len(RIGHT), "", "IncompleteBody"),
        (b"zzz\r\n" + RIGHT, len(RIGHT), "", "IncompleteBody"),
        (b"4\r\nabcdef\r\n0\r\n\r\n", 4, "", "IncompleteBody"),
    ],
)
def test_a_broken_aws_chunked_body_is_refused(
    raw: RawS3, bucket: str, body: bytes, length: int, trailer: str, code: str
) -> None:
    headers = {"x_amz_trailer": trailer} if trailer else {}
    answer = raw.send(
        "PUT",
        f"/{bucket}/key",
        body,
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        x_amz_decoded_content_length=str(length),
        **headers,
    )
    assert (answer.status, answer.code) == (400, code)
    assert raw.send("GET", f"/{bucket}/key").status == 404


def test_a_body_of_unknown_length_is_stored(raw: RawS3, bucket: str) -> None:
    def blocks() -> Iterator[bytes]:
        yield RIGHT
        yield WRONG

    answer = raw.send("PUT", f"/{bucket}/key", blocks())
    assert answer.status == 200
    assert raw.send("GET", f"/{bucket}/key").body == RIGHT + WRONG


def test_an_object_sent_without_checksum_gets_a_crc64nvme(raw: RawS3, s3: Client, bucket: str) -> None:
    raw.send("PUT", f"/{bucket}/key", RIGHT)
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == checksum("CRC64NVME", RIGHT)
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert head["ETag"] == f'"{hashlib.md5(RIGHT).hexdigest()}"'
    assert "ChecksumCRC64NVME" not in s3.head_object(Bucket=bucket, Key="key")


def test_the_checksum_of_a_configuration_is_verified_too(raw: RawS3, bucket: str) -> None:
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    wrong = raw.send("PUT", f"/{bucket}?versioning", body, x_amz_checksum_crc32=checksum("CRC32", WRONG))
    right = raw.send("PUT", f"/{bucket}?versioning", body, x_amz_checksum_crc32=checksum("CRC32", body))
    assert (wrong.code, right.status) == ("BadDigest", 200)
    assert b"Enabled" in raw.send("GET", f"/{bucket}?versioning").body
