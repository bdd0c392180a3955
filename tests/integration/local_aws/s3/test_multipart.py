"""Multipart uploads under S3's rules: order, sizes, ETags, checksums of parts and of the whole."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.s3_requests import DIGESTS, RawS3, checksum

Client = Any
MIB = 2**20
FIRST, LAST = os.urandom(5 * MIB), os.urandom(1000)
KEY = {"Key": "key"}


class Upload:
    """One multipart upload, with the parts as CompleteMultipartUpload wants them."""

    def __init__(self, s3: Client, bucket: str, **options: str) -> None:
        self.s3, self.place = s3, {"Bucket": bucket, "Key": "key"}
        self.place["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="key", **options)["UploadId"]
        self.parts: list[dict[str, Any]] = []

    def send(self, *bodies: bytes, **options: str) -> Upload:
        for body in bodies:
            number = len(self.parts) + 1
            answer = self.s3.upload_part(**self.place, PartNumber=number, Body=body, **options)
            checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
            self.parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
        return self

    def complete(self, parts: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, Any]:
        chosen = {"Parts": self.parts if parts is None else parts}
        answer: dict[str, Any] = self.s3.complete_multipart_upload(**self.place, MultipartUpload=chosen, **options)
        return answer


@pytest.fixture
def upload(s3: Client, bucket: str) -> Upload:
    return Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME").send(FIRST, LAST, ChecksumAlgorithm="CRC64NVME")


@pytest.fixture(autouse=True)
def nothing_is_stored_after_a_refusal(request: pytest.FixtureRequest, s3: Client, bucket: str) -> Iterator[None]:
    yield
    if "refused" in request.node.name:
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_full_object_checksum_is_the_one_of_all_bytes(s3: Client, bucket: str, algorithm: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    answer = upload.send(FIRST, LAST, ChecksumAlgorithm=algorithm).complete(
        ChecksumType="FULL_OBJECT",
        MpuObjectSize=len(FIRST + LAST),
        **{f"Checksum{algorithm}": checksum(algorithm, FIRST + LAST)},
    )
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    for shown in (answer, head):
        assert shown[f"Checksum{algorithm}"] == checksum(algorithm, FIRST + LAST)
        assert shown["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == FIRST + LAST


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_composite_checksum_is_the_one_of_the_parts_checksums(s3: Client, bucket: str, algorithm: str) -> None:
    digest = DIGESTS[algorithm]
    composite = base64.b64encode(digest(digest(FIRST) + digest(LAST))).decode()
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm).send(FIRST, LAST, ChecksumAlgorithm=algorithm)
    answer = upload.complete(**{f"Checksum{algorithm}": composite})
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    attributes = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum"])
    assert answer[f"Checksum{algorithm}"] == head[f"Checksum{algorithm}"] == f"{composite}-2"
    assert attributes["Checksum"] == {f"Checksum{algorithm}": composite, "ChecksumType": "COMPOSITE"}


def test_the_etag_is_the_one_of_the_parts_md5s(s3: Client, bucket: str, upload: Upload) -> None:
    md5s = hashlib.md5(FIRST).digest() + hashlib.md5(LAST).digest()
    assert upload.complete()["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-2"'


def test_an_upload_without_algorithm_takes_parts_with_any_and_ends_with_crc64nvme(s3: Client, bucket: str) -> None:
    upload = Upload(s3, bucket).send(FIRST, LAST, ChecksumAlgorithm="CRC32")
    assert upload.parts[0]["ChecksumCRC32"] == checksum("CRC32", FIRST)
    assert upload.complete()["ChecksumCRC64NVME"] == checksum("CRC64NVME", FIRST + LAST)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_wrong_checksum_of_the_whole_object_is_refused(s3: Client, bucket: str, algorithm: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    upload.send(FIRST, LAST, ChecksumAlgorithm=algorithm)
    with pytest.raises(ClientError, match="BadDigest"):
        upload.complete(ChecksumType="FULL_OBJECT", **{f"Checksum{algorithm}": checksum(algorithm, LAST + FIRST)})


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_wrong_composite_checksum_is_refused(s3: Client, bucket: str, algorithm: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm).send(FIRST, LAST, ChecksumAlgorithm=algorithm)
    with pytest.raises(ClientError, match="BadDigest"):
        upload.complete(**{f"Checksum{algorithm}": checksum(algorithm, FIRST + LAST)})


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_a_wrong_checksum_of_a_part_in_the_completion_is_refused(s3: Client, bucket: str, algorithm: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm).send(FIRST, LAST, ChecksumAlgorithm=algorithm)
    upload.parts[1][f"Checksum{algorithm}"] = checksum(algorithm, FIRST)
    with pytest.raises(ClientError, match="InvalidPart"):
        upload.complete()


def test_a_composite_completion_without_the_parts_checksums_is_refused(s3: Client, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256").send(FIRST, ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError, match="It was missing for part 1"):
        upload.complete([{"PartNumber": 1, "ETag": upload.parts[0]["ETag"]}])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda parts: parts[::-1], "InvalidPartOrder"),
        (lambda parts: [parts[0], parts[0]], "InvalidPartOrder"),
        (lambda parts: [parts[0], {**parts[1], "PartNumber": 3}], "InvalidPart"),
        (lambda parts: [parts[0], {**parts[1], "ETag": parts[0]["ETag"]}], "InvalidPart"),
        (lambda _: [], "MalformedXML"),
    ],
)
def test_parts_that_are_not_those_sent_are_refused(upload: Upload, change: Any, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        upload.complete(change(upload.parts))
    assert caught.value.response["Error"]["Code"] == code


def test_a_small_part_that_is_not_the_last_is_refused(s3: Client, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME").send(FIRST[:-1], LAST, ChecksumAlgorithm="CRC64NVME")
    with pytest.raises(ClientError, match="EntityTooSmall"):
        upload.complete()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"MpuObjectSize": 7}, "InvalidRequest"),
        ({"ChecksumType": "COMPOSITE"}, "BadDigest"),
        ({"ChecksumCRC32": checksum("CRC32", FIRST + LAST)}, "InvalidRequest"),
        ({"ChecksumCRC64NVME": "AAAA"}, "InvalidRequest"),
    ],
)
def test_a_completion_that_contradicts_the_upload_is_refused(upload: Upload, options: Any, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        upload.complete(**options)
    assert caught.value.response["Error"]["Code"] == code


def test_a_full_object_crc32_is_refused_unless_its_type_is_said_with_it(s3: Client, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    upload.send(LAST, ChecksumAlgorithm="CRC32")
    with pytest.raises(ClientError, match="must use the same checksum mode"):
        upload.complete(ChecksumCRC32=checksum("CRC32", LAST))


@pytest.mark.parametrize(
    ("algorithm", "type_"), [("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")]
)
def test_a_checksum_type_the_algorithm_does_not_have_is_refused(
    s3: Client, bucket: str, algorithm: str, type_: str
) -> None:
    with pytest.raises(ClientError, match=f"{type_} checksum type cannot be used with the {algorithm.lower()}"):
        s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm, ChecksumType=type_)


@pytest.mark.parametrize(
    ("sent", "names"),
    [({"x_amz_checksum_crc32": checksum("CRC32", LAST)}, b"actual checksum Type: crc32"), ({}, b"Type: null")],
)
def test_a_part_with_another_checksum_than_the_upload_is_refused(
    s3: Client, raw: RawS3, bucket: str, sent: dict[str, str], names: bytes
) -> None:
    upload_id = Upload(s3, bucket, ChecksumAlgorithm="SHA256").place["UploadId"]
    answer = raw.send("PUT", f"/{bucket}/key?partNumber=1&uploadId={upload_id}", LAST, **sent)
    assert answer.code == "InvalidRequest"
    assert b"expected checksum Type: sha256" in answer.body
    assert names in answer.body


def test_an_unknown_upload_is_refused_in_every_operation(s3: Client, bucket: str, upload: Upload) -> None:
    other_key = {**upload.place, "Key": "other"}
    no_upload = {**upload.place, "UploadId": "none"}
    for place in (other_key, no_upload):
        for call in (
            lambda place: s3.upload_part(**place, PartNumber=1, Body=b""),
            lambda place: s3.list_parts(**place),
            lambda place: s3.complete_multipart_upload(**place, MultipartUpload={"Parts": upload.parts}),
            lambda place: s3.upload_part_copy(**place, PartNumber=1, CopySource=f"{bucket}/key"),
        ):
            with pytest.raises(ClientError, match="NoSuchUpload"):
                call(place)


@pytest.mark.parametrize("number", [0, 10_001])
def test_a_part_number_out_of_range_is_refused(upload: Upload, number: int) -> None:
    with pytest.raises(ClientError, match="InvalidArgument"):
        upload.s3.upload_part(**upload.place, PartNumber=number, Body=b"", ChecksumAlgorithm="CRC64NVME")


def test_completing_twice_answers_the_same(upload: Upload) -> None:
    first, second = upload.complete(), upload.complete()
    assert {first.pop("ResponseMetadata")["HTTPStatusCode"], second.pop("ResponseMetadata")["HTTPStatusCode"]} == {200}
    assert first == second


def test_parts_are_listed_by_number_with_their_checksums(s3: Client, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    for number in (7, 2, 9_999):
        s3.upload_part(**upload.place, PartNumber=number, Body=LAST, ChecksumAlgorithm="CRC64NVME")
    pages = s3.get_paginator("list_parts").paginate(**upload.place, PaginationConfig={"PageSize": 2})
    parts = [part for page in pages for part in page["Parts"]]
    assert [part["PartNumber"] for part in parts] == [2, 7, 9_999]
    assert {part["ChecksumCRC64NVME"] for part in parts} == {checksum("CRC64NVME", LAST)}


def test_an_aborted_upload_is_gone(s3: Client, bucket: str, upload: Upload) -> None:
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [one["UploadId"] for one in listed] == [upload.place["UploadId"]]
    s3.abort_multipart_upload(**upload.place)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        upload.complete()
