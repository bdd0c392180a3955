from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED

from include.aws.errors import S3RequestError
from include.checkpoint.errors import DiskFilledError
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.delivery.destination import Destination
from include.delivery.errors import ChecksumMismatchError, DeliveryDiffersError
from include.delivery.manifest import find_delivered
from include.delivery.open_uploads import abort_abandoned, list_open_uploads
from include.delivery.transfer import TransferSettings
from include.sources.cache import SourceCache
from include.sources.location import parse_location
from include.sources.source import describe_source, fetch_source
from tests.support.deliveries import (
    BUCKET,
    MANIFEST,
    PREFIX,
    checkpoint_of,
    clear,
    client_for,
    contents,
    deliver,
    stored,
)
from tests.support.faulty_proxy import FaultyProxy, Request, Rule

FEW = TransferSettings(part_size=5 * 2**20, workers=4, attempts=5)
ONCE = TransferSettings(part_size=5 * 2**20, workers=4, attempts=1)


@pytest.fixture
def proxy(stand_in: str) -> Iterator[FaultyProxy]:
    direct = client_for(stand_in)
    direct.create_bucket(Bucket=BUCKET)
    with FaultyProxy(stand_in) as proxy:
        yield proxy
    clear(direct)
    direct.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def s3(proxy: FaultyProxy) -> Any:
    return client_for(proxy.endpoint_url)


def sometimes(fault: str, kind: str, *numbers: int) -> Rule:
    return lambda request: fault if request.kind == kind and request.number in numbers else None


@pytest.mark.parametrize("fault", ["reset", "lost", "500", "503", "corrupt"])
def test_parts_that_fail_on_their_way_are_sent_again(s3: Any, proxy: FaultyProxy, folder: Path, fault: str) -> None:
    proxy.rule = sometimes(fault, "UploadPart", 1, 3, 4)
    deliver(s3, checkpoint_of(folder), settings=FEW)
    assert stored(s3) == contents(folder)
    assert find_delivered(s3, BUCKET, MANIFEST)


def test_a_bit_that_flips_on_the_way_is_seen_by_its_checksum_alone(s3: Any, proxy: FaultyProxy, folder: Path) -> None:
    unsigned = client_for(proxy.endpoint_url, signature_version=UNSIGNED)
    proxy.rule = sometimes("corrupt", "UploadPart", 2)
    with pytest.raises(S3RequestError, match="BadDigest"):
        deliver(unsigned, checkpoint_of(folder), settings=ONCE)
    deliver(s3, checkpoint_of(folder), settings=ONCE)
    assert stored(s3) == contents(folder)


@pytest.mark.parametrize("fault", ["reset", "lost", "500"])
@pytest.mark.parametrize("kind", ["PutObject", "CreateMultipartUpload", "CompleteMultipartUpload"])
def test_an_object_whose_request_or_answer_is_lost_is_stored_once(
    s3: Any, proxy: FaultyProxy, folder: Path, kind: str, fault: str
) -> None:
    proxy.rule = sometimes(fault, kind, 1)
    deliver(s3, checkpoint_of(folder), settings=FEW)
    assert stored(s3) == contents(folder)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_a_server_that_goes_on_refusing_is_named_with_what_to_do(s3: Any, proxy: FaultyProxy, folder: Path) -> None:
    proxy.rule = lambda request: "503" if request.kind == "UploadPart" else None
    with pytest.raises(S3RequestError, match=r"(?s)SlowDown.*run again later") as caught:
        deliver(s3, checkpoint_of(folder), settings=ONCE)
    assert caught.value.code == "SlowDown"
    assert not find_delivered(s3, BUCKET, MANIFEST)
    proxy.rule = lambda _: None
    deliver(s3, checkpoint_of(folder), settings=ONCE)
    assert stored(s3) == contents(folder)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("minutes", [-20, -10, 10, 20])
def test_a_clock_that_is_off_by_more_than_s3_takes_is_named_as_such(
    s3: Any, proxy: FaultyProxy, folder: Path, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_a_wrong_clock(request: Request) -> str | None:
        return "skewed" if abs(datetime.now(UTC) - request.signed_at) > timedelta(minutes=15) else None

    proxy.rule = refuse_a_wrong_clock
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    for signer in ("botocore.auth", "botocore.crt.auth"):
        monkeypatch.setattr(f"{signer}.get_current_datetime", lambda **_: wrong)
    if abs(minutes) < 15:
        deliver(s3, checkpoint_of(folder), settings=FEW)
        assert stored(s3) == contents(folder)
        return
    with pytest.raises(S3RequestError, match=r"(?s)RequestTimeTooSkewed.*clock is wrong"):
        deliver(s3, checkpoint_of(folder), settings=FEW)
    monkeypatch.undo()
    assert stored(s3) == {}


def test_a_wrong_clock_is_told_from_a_missing_right_where_s3_says_403_alone(
    s3: Any, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.rule = lambda _: "skewed"
    with pytest.raises(S3RequestError, match=r"(?s)403.*policies"):
        describe_source(parse_location(f"s3://{BUCKET}/model.tar.gz"), s3=s3)
    monkeypatch.setattr("include.aws.s3.MAX_SKEW_SECONDS", -1)
    with pytest.raises(S3RequestError, match=r"(?s)RequestTimeTooSkewed.*clock is wrong"):
        describe_source(parse_location(f"s3://{BUCKET}/model.tar.gz"), s3=s3)


def test_truncated_reads_of_a_source_in_s3_are_read_again(s3: Any, proxy: FaultyProxy) -> None:
    base = os.urandom(12 * 2**20)
    s3.put_object(Bucket=BUCKET, Key="base/model.safetensors", Body=base)
    pieces = [
        Segment(uri=f"s3://{BUCKET}/base/model.safetensors", offset=n * 2**20, length=2**20) for n in (4, 2, 7, 0)
    ]
    proxy.rule = sometimes("truncate", "GetObject", 1, 2)
    deliver(s3, Checkpoint(files=(CheckpointFile(name="m.safetensors", segments=tuple(pieces)),)), settings=FEW)
    assert stored(s3)["m.safetensors"] == b"".join(base[n * 2**20 : (n + 1) * 2**20] for n in (4, 2, 7, 0))


def test_an_upload_that_expires_under_way_starts_again(s3: Any, proxy: FaultyProxy, folder: Path) -> None:
    def expire(request: Any) -> None:
        if request.kind == "UploadPart" and request.number == 3:
            for upload in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]:
                s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])

    proxy.rule = expire
    deliver(s3, checkpoint_of(folder), settings=FEW)
    assert stored(s3) == contents(folder)


def test_two_runs_at_once_on_one_target_end_with_one_delivery(proxy: FaultyProxy, folder: Path) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            deliver(client_for(proxy.endpoint_url), checkpoint_of(folder), settings=FEW)
        except BaseException as error:
            failures.append(error)

    runs = [threading.Thread(target=run) for _ in range(2)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    s3 = client_for(proxy.endpoint_url)
    assert failures == []
    assert stored(s3) == contents(folder)
    assert find_delivered(s3, BUCKET, MANIFEST)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_what_another_writer_put_under_the_name_meanwhile_is_not_replaced(
    s3: Any, proxy: FaultyProxy, folder: Path
) -> None:
    def interfere(request: Any) -> None:
        if request.kind == "CompleteMultipartUpload":
            name = "model-00001-of-00002.safetensors"
            s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"other", ChecksumAlgorithm="CRC64NVME")

    proxy.rule = interfere
    with pytest.raises(DeliveryDiffersError, match=r"model-00001-of-00002\.safetensors"):
        deliver(s3, checkpoint_of(folder), settings=FEW)
    assert stored(s3)["model-00001-of-00002.safetensors"] == b"other"
    assert not find_delivered(s3, BUCKET, MANIFEST)


def test_bytes_that_are_not_the_promised_ones_never_become_an_object(s3: Any, folder: Path) -> None:
    path = folder / "model-00001-of-00002.safetensors"
    promise = Segment(uri=str(path), offset=0, length=path.stat().st_size, crc64nvme=1)
    with pytest.raises(ChecksumMismatchError, match=r"model\.safetensors"):
        deliver(s3, Checkpoint(files=(CheckpointFile(name="model.safetensors", segments=(promise,)),)), settings=FEW)
    assert stored(s3) == {}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_a_full_disk_is_named_and_leaves_nothing(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("consolidated.00.pth", "params.json"):
        s3.put_object(Bucket=BUCKET, Key=f"raw/{name}", Body=b"{}", ChecksumAlgorithm="CRC64NVME")
    source = describe_source(parse_location(f"s3://{BUCKET}/raw"), s3=s3)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.ftruncate", full)
    with pytest.raises(DiskFilledError, match=str(tmp_path)):
        fetch_source(source, SourceCache(tmp_path / "cache", 10**9), s3=s3)
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_uploads_that_nobody_adds_to_are_found_and_aborted(s3: Any) -> None:
    s3.create_multipart_upload(Bucket=BUCKET, Key="models/old/model.safetensors")
    s3.create_multipart_upload(Bucket=BUCKET, Key="other/model.safetensors")
    slow = {"Bucket": BUCKET, "Key": "models/slow/model.safetensors"}
    slow |= {"UploadId": s3.create_multipart_upload(**slow)["UploadId"]}
    destination = Destination(s3, BUCKET, "models")
    assert abort_abandoned(destination, datetime(2000, 1, 1, tzinfo=UTC)) == []
    begun = max(upload.initiated for upload in list_open_uploads(destination))
    time.sleep(2.1)  # the server tells whole seconds
    s3.upload_part(**slow, PartNumber=1, Body=b"a run that is slow, and alive")
    aborted = abort_abandoned(destination, begun + timedelta(seconds=1))
    assert [upload.name for upload in aborted] == ["old/model.safetensors"]
    assert [upload.name for upload in list_open_uploads(destination)] == ["slow/model.safetensors"]
    assert len(list_open_uploads(Destination(s3, BUCKET, "other"))) == 1
