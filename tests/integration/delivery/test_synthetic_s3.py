"""The synthetic S3 of the benchmark of large models accepts a right delivery, and refuses a wrong part as S3 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.delivery_run import BUCKET, s3_client
from benchmarks.synthetic_objects import Literal, Repeated, SyntheticObject
from benchmarks.synthetic_s3 import SyntheticS3
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment
from include.checkpoint.writing.progress import no_progress
from include.delivery.upload import upload
from include.sources.checksums import encode

MIB = 2**20
BASE = SyntheticObject((Literal(b"header"), Repeated("a", 0, 2 * 10**9), Repeated("b", 0, 50 * MIB)))
PART = b"x" * 5 * MIB


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = SyntheticS3(0, {"base/model.safetensors": BASE})
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield s3_client(server.endpoint_url)
    server.shutdown()
    server.server_close()


def _crc(data: bytes) -> str:
    return encode(Literal(data).crc64nvme)


def _begin(s3: Any) -> dict[str, str]:
    made = s3.create_multipart_upload(
        Bucket=BUCKET, Key="made", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
    )
    return {"Bucket": BUCKET, "Key": "made", "UploadId": made["UploadId"]}


def _send(s3: Any, upload: dict[str, str], number: int, data: bytes) -> dict[str, Any]:
    answer = s3.upload_part(**upload, PartNumber=number, Body=data, ChecksumCRC64NVME=_crc(data))
    return {"PartNumber": number, "ETag": answer["ETag"]}


def _wrong_bytes(s3: Any, upload: dict[str, str]) -> None:
    s3.upload_part(**upload, PartNumber=1, Body=PART, ChecksumCRC64NVME=_crc(b"other"))


def _changed_source(s3: Any, upload: dict[str, str]) -> None:
    source = {"CopySource": f"{BUCKET}/base/model.safetensors", "CopySourceIfMatch": "another"}
    s3.upload_part_copy(**upload, PartNumber=1, CopySourceRange="bytes=0-9", **source)


def _beyond_the_source(s3: Any, upload: dict[str, str]) -> None:
    source = {"CopySource": f"{BUCKET}/base/model.safetensors"}
    s3.upload_part_copy(**upload, PartNumber=1, CopySourceRange=f"bytes={BASE.size}-{BASE.size + 1}", **source)


def _small_part(s3: Any, upload: dict[str, str]) -> None:
    parts = [_send(s3, upload, 1, b"small"), _send(s3, upload, 2, PART)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def _another_order(s3: Any, upload: dict[str, str]) -> None:
    parts = [_send(s3, upload, 1, PART), _send(s3, upload, 2, PART)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts[::-1]})


def _another_part(s3: Any, upload: dict[str, str]) -> None:
    first = _send(s3, upload, 1, PART)
    _send(s3, upload, 1, b"y" * 5 * MIB)
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [first]})


def _another_whole(s3: Any, upload: dict[str, str]) -> None:
    parts = [_send(s3, upload, 1, PART)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=_crc(b"other"))


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (_wrong_bytes, "BadDigest"),
        (_changed_source, "PreconditionFailed"),
        (_beyond_the_source, "InvalidRange"),
        (_small_part, "EntityTooSmall"),
        (_another_order, "InvalidPartOrder"),
        (_another_part, "InvalidPart"),
        (_another_whole, "BadDigest"),
        (lambda s3, upload: _send(s3, upload, 10_001, PART), "InvalidArgument"),
    ],
)
def test_a_wrong_part_is_refused_as_s3_refuses_it(
    s3: Any, break_it: Callable[[Any, dict[str, str]], None], code: str
) -> None:
    upload_of = _begin(s3)

    with pytest.raises(ClientError) as refused:
        break_it(s3, upload_of)

    assert refused.value.response["Error"]["Code"] == code
    s3.abort_multipart_upload(**upload_of)


def test_two_gigabytes_with_a_changed_range_are_delivered_without_being_held(s3: Any, tmp_path: Path) -> None:
    changed = b"z" * 6 * MIB
    (tmp_path / "overlay").write_bytes(changed)
    uri, start = f"s3://{BUCKET}/base/model.safetensors", 10**9
    after = start + len(changed)
    segments = (
        Segment(uri=uri, offset=0, length=start),
        Segment(uri=str(tmp_path / "overlay"), offset=0, length=len(changed), crc64nvme=Literal(changed).crc64nvme),
        Segment(uri=uri, offset=after, length=BASE.size - after),
    )
    pin = Pin(uri=uri, size=BASE.size, version=BASE.etag)
    merged = Checkpoint((CheckpointFile("model.safetensors", segments),), (pin,))

    report = upload(
        s3, merged, BUCKET, "to", manifest_key="to.json", fingerprint="0" * 64, proof=None, progress=no_progress
    )

    assert (report.bytes_sent, report.bytes_copied) == (len(changed), BASE.size - len(changed))
    made = s3.head_object(Bucket=BUCKET, Key="to/model.safetensors", ChecksumMode="ENABLED")
    pieces = (*BASE.cut(0, start), Literal(changed), *BASE.cut(after, BASE.size - after))
    assert made["ContentLength"] == BASE.size
    assert made["ChecksumCRC64NVME"] == encode(SyntheticObject(pieces).crc64nvme)


def test_what_is_read_is_what_the_checksum_is_of(s3: Any) -> None:
    at = {"Bucket": BUCKET, "Key": "base/model.safetensors"}
    read = s3.get_object(**at, Range=f"bytes=2000000000-{BASE.size - 1}")["Body"].read()

    assert len(read) == BASE.size - 2 * 10**9
    assert Literal(read).crc64nvme == SyntheticObject(BASE.cut(2 * 10**9, len(read))).crc64nvme
