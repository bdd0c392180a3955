from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from awscrt.checksums import crc64nvme

from include.checkpoint.errors import SourceChangedError
from include.run.workspace import PROJECT_ROOT
from include.sources.cache import SourceCache
from include.sources.errors import (
    ClientMissingError,
    HostileArchiveError,
    SageMakerRegionError,
    SageMakerSourceError,
    SourceArchivedError,
    SourceDownloadError,
)
from include.sources.fingerprint import fingerprint
from include.sources.location import parse_location
from include.sources.source import ReadableSource, Source, describe_source, fetch_source
from tests.support.training_jobs import end_training_job

FILES = {
    "config.json": b'{"model_type": "mistral"}',
    "model.safetensors": os.urandom(9 * 2**20 + 5),
    "tokenizer.json": b"{}",
}
ADAPTERS = PROJECT_ROOT / "include" / "demo" / "adapters"
ROLE = "arn:aws:iam::123456789012:role/SageMaker"


def put_prefix(s3: Any, prefix: str, files: dict[str, bytes] = FILES, **checksum: str) -> str:
    for name, data in files.items():
        s3.put_object(
            Bucket="models", Key=f"{prefix}/{name}", Body=data, **({"ChecksumAlgorithm": "CRC64NVME"} | checksum)
        )
    return f"s3://models/{prefix}"


def put_archive(s3: Any, key: str, files: dict[str, bytes] = FILES) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    s3.put_object(Bucket="models", Key=key, Body=packed.getvalue(), ChecksumAlgorithm="CRC64NVME")
    return f"s3://models/{key}"


def create_model(sagemaker: Any, name: str, container: dict[str, Any]) -> str:
    arn: str = sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)["ModelArn"]
    return arn


@pytest.fixture
def cache(tmp_path: Path) -> SourceCache:
    return SourceCache(tmp_path / "cache", max_bytes=10**9)


def fetched(source: Source, cache: SourceCache, s3: Any) -> tuple[ReadableSource, dict[str, bytes]]:
    """The readable source and its files, from wherever it is read."""
    readable = fetch_source(source, cache, s3=s3)
    if readable.uri.startswith("s3://"):
        prefix = readable.uri.removeprefix("s3://models/")
        names = [file.name for file in source.files]
        return readable, {n: s3.get_object(Bucket="models", Key=f"{prefix}/{n}")["Body"].read() for n in names}
    return readable, {path.name: path.read_bytes() for path in Path(readable.uri).iterdir()}


def test_the_same_checkpoint_has_the_same_fingerprint_in_a_folder_and_in_s3(s3: Any, tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    local = describe_source(parse_location(str(tmp_path)))
    remote = describe_source(parse_location(put_prefix(s3, "base")), s3=s3)
    assert local.files == remote.files
    assert fingerprint(local.files, (), {}) == fingerprint(remote.files, (), {})
    assert (local.uri, remote.uri) == (str(tmp_path), "s3://models/base")


def test_keys_may_begin_with_a_slash(s3: Any, cache: SourceCache) -> None:
    source = describe_source(parse_location(put_prefix(s3, "/rooted/base")), s3=s3)
    assert source.uri == "s3://models//rooted/base"
    assert fetched(source, cache, s3)[1] == FILES


def test_a_checkpoint_in_s3_is_read_where_it_is(s3: Any, cache: SourceCache, tmp_path: Path) -> None:
    source = describe_source(parse_location(put_prefix(s3, "out/checkpoint-20")), s3=s3)
    put_prefix(s3, "out/checkpoint-3")
    assert fetched(describe_source(parse_location("s3://models/out"), s3=s3), cache, s3) == (
        ReadableSource("s3://models/out/checkpoint-20", ("Took 3 files from checkpoint-20; left checkpoint-3/",)),
        FILES,
    )
    assert source.files == describe_source(parse_location("s3://models/out"), s3=s3).files
    assert not (tmp_path / "cache").exists()


def test_an_adapter_in_s3_is_brought_to_this_machine_when_asked(s3: Any, cache: SourceCache) -> None:
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": os.urandom(1000)}
    source = describe_source(parse_location(put_prefix(s3, "adapter", files)), s3=s3)
    folder = Path(fetch_source(source, cache, s3=s3, as_folder=True).uri)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_an_object_that_s3_has_another_checksum_of_is_read_once(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = describe_source(parse_location(put_prefix(s3, "new")), s3=s3).files
    location = parse_location(put_prefix(s3, "old", ChecksumAlgorithm="SHA256"))
    assert describe_source(location, s3=s3, cache_dir=tmp_path).files == expected
    monkeypatch.setattr(s3, "get_object", lambda **_: pytest.fail("it was read again"))
    assert describe_source(location, s3=s3, cache_dir=tmp_path).files == expected


def test_a_hundred_objects_are_fingerprinted_from_metadata_in_seconds(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"model-{n:05}-of-00098.safetensors": os.urandom(8) for n in range(98)}
    put_prefix(s3, "many", files | {"config.json": b"{}", "tokenizer.json": b"{}"})
    monkeypatch.setattr(s3, "get_object", lambda **_: pytest.fail("a byte was downloaded"))

    def seconds() -> float:
        started = time.monotonic()
        assert len(describe_source(parse_location("s3://models/many"), s3=s3).files) == 100
        return time.monotonic() - started

    assert any(seconds() < 5 for _ in range(3))  # something else may use the processor during one of them


def test_a_training_jobs_archive_is_unpacked_into_the_cache_once(
    s3: Any, sagemaker: Any, cache: SourceCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_training_job(sagemaker, "tune-1", "s3://models/jobs")
    artifacts = sagemaker.describe_training_job(TrainingJobName="tune-1")["ModelArtifacts"]["S3ModelArtifacts"]
    packed = {f"checkpoints/hf_merged/{name}": data for name, data in FILES.items()}
    put_archive(s3, artifacts.removeprefix("s3://models/"), packed | {"code/inference.py": b"import os"})
    source = describe_source(parse_location("sagemaker:training-job/tune-1"), s3=s3, sagemaker=sagemaker)
    readable, files = fetched(source, cache, s3)
    assert files == FILES
    assert readable.notes[0] == "Took 3 files from checkpoints/hf_merged; left code/"
    monkeypatch.setattr(s3, "get_object", lambda **_: pytest.fail("it was downloaded again"))
    again = describe_source(parse_location("sagemaker:training-job/tune-1"), s3=s3, sagemaker=sagemaker)
    assert fetch_source(again, cache, s3=s3) == readable


def test_a_sagemaker_models_uncompressed_data_is_read_where_it_is(s3: Any, sagemaker: Any, cache: SourceCache) -> None:
    source = {"S3Uri": put_prefix(s3, "served") + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    arn = create_model(sagemaker, "served", {"Image": "image", "ModelDataSource": {"S3DataSource": source}})
    for spec in ("sagemaker:model/served", arn):
        described = describe_source(parse_location(spec), s3=s3, sagemaker=sagemaker)
        assert fetched(described, cache, s3)[1] == FILES
    sagemaker.delete_model(ModelName="served")


def test_a_model_packages_archive_is_unpacked(s3: Any, sagemaker: Any, cache: SourceCache) -> None:
    data = put_archive(s3, "packages/model.tar.gz")
    sagemaker.create_model_package_group(ModelPackageGroupName="capitals")
    container = {"Image": "image", "ModelDataUrl": data}
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="capitals",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    source = describe_source(parse_location(arn), s3=s3, sagemaker=sagemaker)
    assert fetched(source, cache, s3)[1] == FILES


def test_pickled_weights_are_brought_to_this_machine(s3: Any, cache: SourceCache) -> None:
    raw = {"consolidated.00.pth": os.urandom(20_000_000), "params.json": b"{}", "tokenizer.model": b"x"}
    source = describe_source(parse_location(put_prefix(s3, "raw", raw)), s3=s3)
    readable, files = fetched(source, cache, s3)
    assert files == raw
    assert not readable.uri.startswith("s3://")


def test_a_missing_job_a_model_without_data_and_another_region_are_told_apart(s3: Any, sagemaker: Any) -> None:
    with pytest.raises(SageMakerSourceError, match="no-such-job"):
        describe_source(parse_location("sagemaker:training-job/no-such-job"), s3=s3, sagemaker=sagemaker)
    create_model(sagemaker, "empty", {"Image": "image"})
    with pytest.raises(SageMakerSourceError, match="no model data in S3"):
        describe_source(parse_location("sagemaker:model/empty"), s3=s3, sagemaker=sagemaker)
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:model/m"
    with pytest.raises(SageMakerRegionError, match="eu-central-1"):
        describe_source(parse_location(arn), s3=s3, sagemaker=sagemaker)
    with pytest.raises(ClientMissingError, match="SageMaker"):
        describe_source(parse_location(arn), s3=s3)


def test_a_hostile_or_changed_archive_leaves_nothing(s3: Any, cache: SourceCache, tmp_path: Path) -> None:
    uri = put_archive(s3, "evil/model.tar.gz", {"config.json": b"{}", "../evil.json": b"{}"})
    with pytest.raises(HostileArchiveError):
        fetch_source(describe_source(parse_location(uri), s3=s3), cache, s3=s3)
    uri = put_archive(s3, "changed/model.tar.gz")
    source = describe_source(parse_location(uri), s3=s3)
    put_archive(s3, "changed/model.tar.gz", {**FILES, "config.json": b"[]"})
    with pytest.raises(SourceChangedError):
        fetch_source(source, cache, s3=s3)
    now = describe_source(parse_location(uri), s3=s3)
    damaged = replace(now, files=(now.files[0]._replace(crc64nvme=1),))
    with pytest.raises(SourceDownloadError):
        fetch_source(damaged, cache, s3=s3)
    assert [path for path in (tmp_path / "cache").rglob("*") if not path.name.endswith(".lock")] == []


def _archive(adapter: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted((ADAPTERS / adapter).iterdir()):
            archive.add(path, path.name)
    return packed.getvalue()


def _forged(good: bytes, plain: bytes) -> bytes:
    """Return a gzip of ``plain`` with the size and the CRC64NVME of ``good``: its header has room for any 64 bits."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(plain) + packer.flush() + struct.pack("<II", zlib.crc32(plain), len(plain) & 0xFFFFFFFF)
    room = len(good) - len(body) - 12
    assert 8 <= room < 2**16

    def packed(extra: int) -> bytes:
        padding = extra.to_bytes(8, "little") + bytes(room - 8)
        return b"\x1f\x8b\x08\x04" + bytes(4) + b"\x02\xff" + struct.pack("<H", room) + padding + body

    zero = crc64nvme(packed(0))
    basis: dict[int, tuple[int, int]] = {}
    for mask in (1 << bit for bit in range(64)):  # a linear system over GF(2)
        value = crc64nvme(packed(mask)) ^ zero
        while value and value.bit_length() in basis:
            value, mask = value ^ basis[value.bit_length()][0], mask ^ basis[value.bit_length()][1]
        if value:
            basis[value.bit_length()] = (value, mask)
    wanted, extra = zero ^ crc64nvme(good), 0
    while wanted:
        value, mask = basis[wanted.bit_length()]
        wanted, extra = wanted ^ value, extra ^ mask
    return packed(extra)


def test_an_archive_with_a_forged_checksum_is_not_taken_for_another(s3: Any, cache: SourceCache) -> None:
    good = gzip.compress(_archive("finished"), 1, mtime=0)
    archives = {"victim": good, "attacker": _forged(good, _archive("forgetful"))}
    assert len({(len(data), crc64nvme(data)) for data in archives.values()}) == 1
    read = {}
    for owner in ("attacker", "victim"):
        key = f"{owner}/model.tar.gz"
        s3.put_object(Bucket="models", Key=key, Body=archives[owner], ChecksumAlgorithm="CRC64NVME")
        source = describe_source(parse_location(f"s3://models/{key}"), s3=s3)
        readable = fetch_source(source, cache, s3=s3, as_folder=True)
        read[owner] = (Path(readable.uri) / "adapter_model.safetensors").read_bytes()
        assert hashlib.sha256(archives[owner]).hexdigest() in readable.notes[-1]
    weights = {name: (ADAPTERS / name / "adapter_model.safetensors").read_bytes() for name in ("finished", "forgetful")}
    assert read == {"victim": weights["finished"], "attacker": weights["forgetful"]}


def test_what_is_fetched_is_named_by_its_sha256(s3: Any, cache: SourceCache) -> None:
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": os.urandom(1000)}
    source = describe_source(parse_location(put_prefix(s3, "named", files)), s3=s3)
    notes = fetch_source(source, cache, s3=s3, as_folder=True).notes
    assert all(f"{name} {hashlib.sha256(data).hexdigest()}" in notes[-1] for name, data in files.items())


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_source_is_to_be_restored_and_then_it_is_read(s3: Any, storage_class: str) -> None:
    source = put_prefix(s3, "archived", StorageClass=storage_class)
    with pytest.raises(SourceArchivedError, match=f"(?s)storage class {storage_class}.*restore-object"):
        describe_source(parse_location(source), s3=s3)
    for name in FILES:
        s3.restore_object(Bucket="models", Key=f"archived/{name}", RestoreRequest={"Days": 1})
    assert describe_source(parse_location(source), s3=s3).files
