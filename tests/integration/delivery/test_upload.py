from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from awscrt.checksums import crc64nvme

from include.checkpoint.errors import SourceChangedError
from include.checkpoint.files.reading import UriReader
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment
from include.checkpoint.writing.progress import no_progress
from include.delivery.errors import ManifestInsidePrefixError, StaleObjectsError
from include.delivery.manifest import find_delivered
from include.delivery.transfer import TransferSettings
from include.delivery.upload import upload
from tests.support.deliveries import BUCKET, MANIFEST, PREFIX, checkpoint_of, contents, deliver, stored


def test_every_file_arrives_byte_for_byte_and_nothing_else_lies_in_the_prefix(s3: Any, folder: Path) -> None:
    seen: list[tuple[int, ...]] = []
    report = deliver(s3, checkpoint_of(folder), progress=lambda *done: seen.append(done))
    assert stored(s3) == contents(folder)
    total = sum(map(len, contents(folder).values()))
    assert (report.files, report.bytes_sent, report.bytes_copied, report.bytes_reused) == (4, total, 0, 0)
    assert seen[-1] == (4, 4, total, total)
    assert report.s3_uri == f"s3://{BUCKET}/{PREFIX}/"


def test_the_manifest_lists_what_s3_holds_with_its_checksums(s3: Any, folder: Path) -> None:
    deliver(s3, checkpoint_of(folder))
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=MANIFEST)["Body"].read())
    for file in manifest["files"]:
        head = s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}/{file['name']}", ChecksumMode="ENABLED")
        assert (file["size"], file["crc64nvme"]) == (head["ContentLength"], head["ChecksumCRC64NVME"])
        assert file["segments"][0]["uri"] == str(folder / file["name"])
    assert manifest["notes"] == ["as it was"]
    assert manifest["proof"] == {"method": "none"}


def test_a_second_upload_sends_nothing(s3: Any, folder: Path) -> None:
    first = deliver(s3, checkpoint_of(folder))
    second = deliver(s3, checkpoint_of(folder))
    assert (second.bytes_sent, second.bytes_reused) == (0, first.bytes_sent)


def test_one_changed_file_is_the_only_one_sent_again(s3: Any, folder: Path) -> None:
    deliver(s3, checkpoint_of(folder))
    (folder / "config.json").write_bytes(b'{"model_type": "llama"}')
    report = deliver(s3, checkpoint_of(folder))
    assert report.bytes_sent == 23
    assert stored(s3) == contents(folder)


def test_stale_objects_are_refused_before_anything_is_sent(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/model.safetensors", Body=b"of another run")
    with pytest.raises(StaleObjectsError, match=r"model\.safetensors"):
        deliver(s3, checkpoint_of(folder))
    assert list(stored(s3)) == ["model.safetensors"]


def test_a_source_that_changed_since_it_was_prepared_is_refused(s3: Any, folder: Path) -> None:
    checkpoint = checkpoint_of(folder)
    (folder / "config.json").write_bytes(b"{}")
    with pytest.raises(SourceChangedError, match=r"config\.json"):
        deliver(s3, checkpoint)


def test_the_manifest_may_not_lie_among_the_files_that_bedrock_reads(s3: Any, folder: Path) -> None:
    with pytest.raises(ManifestInsidePrefixError):
        upload(
            s3,
            checkpoint_of(folder),
            BUCKET,
            PREFIX,
            manifest_key=f"{PREFIX}/manifest.json",
            fingerprint="",
            proof=None,
            progress=no_progress,
        )


def test_ranges_that_lie_in_s3_are_copied_there(s3: Any, folder: Path) -> None:
    base = os.urandom(32 * 2**20)
    s3.put_object(Bucket=BUCKET, Key="base/model.safetensors", Body=base)
    changed = folder / "model-00001-of-00002.safetensors"
    uri = f"s3://{BUCKET}/base/model.safetensors"
    segments = (
        Segment(uri=uri, offset=0, length=9 * 2**20),
        Segment(uri=str(changed), offset=0, length=7 * 2**20),
        Segment(uri=uri, offset=16 * 2**20, length=16 * 2**20),
    )
    pin = UriReader(s3).pin(uri)
    file = CheckpointFile(name="model.safetensors", segments=segments)
    report = deliver(s3, Checkpoint(files=(file,), pins=(pin,)))
    assert (report.bytes_sent, report.bytes_copied) == (7 * 2**20, 25 * 2**20)
    expected = base[: 9 * 2**20] + changed.read_bytes()[: 7 * 2**20] + base[16 * 2**20 :]
    assert stored(s3) == {"model.safetensors": expected}


def test_the_manifest_names_what_was_written_for_this_checkpoint_by_sha256(s3: Any, folder: Path) -> None:
    overlay = folder / "merge.overlay"
    overlay.write_bytes(b"merged")
    file = CheckpointFile(
        name="config.json",
        segments=(Segment(uri=str(overlay), offset=0, length=6, crc64nvme=crc64nvme(b"merged")),),
    )
    deliver(s3, Checkpoint(files=(file,)))
    manifest = find_delivered(s3, BUCKET, MANIFEST)
    assert manifest
    assert manifest.sha256 == {str(overlay): hashlib.sha256(b"merged").hexdigest()}


def test_what_an_earlier_version_holds_is_copied_from_it(s3: Any, folder: Path) -> None:
    deliver(s3, checkpoint_of(folder))
    earlier = find_delivered(s3, BUCKET, MANIFEST)
    assert earlier
    (folder / "config.json").write_bytes(b'{"model_type": "llama"}')
    small = (folder / "model-00002-of-00002.safetensors").stat().st_size
    report = upload(
        s3,
        checkpoint_of(folder),
        BUCKET,
        "capitals/5678/checkpoint",
        manifest_key="capitals/5678/manifest.json",
        fingerprint="56" * 32,
        proof=None,
        progress=no_progress,
        earlier=[earlier],
    )
    assert (report.bytes_sent, report.bytes_copied) == (23 + small, 21 * 2**20 + 17)
    manifest = find_delivered(s3, BUCKET, "capitals/5678/manifest.json")
    assert manifest
    assert {it.uri for file in manifest.files for it in file.segments} == {str(path) for path in folder.iterdir()}
    key = "capitals/5678/checkpoint/model-00001-of-00002.safetensors"
    copied = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert copied == contents(folder)["model-00001-of-00002.safetensors"]


def test_a_delivery_is_found_while_every_object_is_as_it_was(s3: Any, folder: Path) -> None:
    assert find_delivered(s3, BUCKET, MANIFEST) is None
    deliver(s3, checkpoint_of(folder))
    manifest = find_delivered(s3, BUCKET, MANIFEST)
    assert manifest
    assert manifest.fingerprint == "12" * 32
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/config.json", Body=b"another")
    assert find_delivered(s3, BUCKET, MANIFEST) is None
    s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/config.json")
    assert find_delivered(s3, BUCKET, MANIFEST) is None


def test_parts_of_an_upload_that_broke_off_are_kept(s3: Any, folder: Path) -> None:
    data = (folder / "model-00001-of-00002.safetensors").read_bytes()
    settings = TransferSettings(part_size=7 * 2**20 + 6, workers=2)
    target = {"Bucket": BUCKET, "Key": f"{PREFIX}/model-00001-of-00002.safetensors"}
    upload_id = s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")[
        "UploadId"
    ]
    middle = data[len(data) // 3 : len(data) * 2 // 3]
    s3.upload_part(**target, UploadId=upload_id, PartNumber=2, Body=middle, ChecksumAlgorithm="CRC64NVME")
    report = deliver(s3, checkpoint_of(folder), settings=settings)
    assert report.bytes_reused == len(data) * 2 // 3 - len(data) // 3
    assert stored(s3) == contents(folder)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
