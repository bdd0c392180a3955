"""Steps on workers that share nothing but S3 deliver what they deliver with a folder that all of them share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from awscrt.checksums import crc64nvme
from safetensors.torch import load
from transformers import AutoModelForCausalLM

from include.aws.s3_uri import S3Uri
from include.checkpoint.checks import validation
from include.checkpoint.files.segments import Checkpoint
from include.delivery.derivation import derive_checksums
from include.run.plan import ImportPlan
from include.run.workspace import PROJECT_ROOT, SCRATCH_SECONDS
from include.sources.read_ledger import load_ranges
from include.steps.clear_workspace import clear_workspace
from include.steps.deliver import deliver
from include.steps.prepare import MERGED, READ, merge, prepare_base, validate
from tests.support.cloud_sources import BUCKET, DEMO, Cloud, objects_of, plan_in
from tests.support.faulty_proxy import FaultyProxy, Request
from tests.support.raw_mistral import save_raw
from tests.support.workers import (
    DAG,
    ROOT,
    Workers,
    WriteRefusedError,
    files_of_runs,
    keys_in,
    local_places_in,
    places_in,
    run_id_of,
    save_large_adapter,
    save_large_model,
    watched,
)

WORKSPACE = ROOT.rpartition("/")[2]
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
ADAPTER = str(DEMO / "adapters" / "finished")


@pytest.fixture
def workers(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workers:
    return Workers(cloud, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def converted_bases(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The demo's base as raw Mistral weights and as pickled ones, in a folder and in S3."""
    model = AutoModelForCausalLM.from_pretrained(DEMO / "base", torch_dtype="auto")
    raw, pickled = (tmp_path_factory.mktemp(name) for name in ("raw", "pickled"))
    save_raw(model, raw)
    model.save_pretrained(pickled, safe_serialization=False)
    for folder in (raw, pickled):
        for name in TOKENIZER:
            shutil.copy(DEMO / "base" / name, folder)
        cloud.put_folder(folder, f"sources/{folder.name}")
    return {
        "a folder": str(DEMO / "base"),
        "S3": f"s3://{BUCKET}/sources/base",
        "raw Mistral weights in S3": f"s3://{BUCKET}/sources/{raw.name}",
        "pickled weights in S3": f"s3://{BUCKET}/sources/{pickled.name}",
    }


@pytest.mark.parametrize(
    ("base", "dtype"),
    [
        ("a folder", "keep"),
        ("S3", "keep"),
        ("S3", "float16"),
        ("raw Mistral weights in S3", "keep"),
        ("pickled weights in S3", "keep"),
    ],
)
def test_a_run_whose_steps_run_on_different_workers_delivers_the_same_bytes(
    workers: Workers, tmp_path: Path, converted_bases: dict[str, str], base: str, dtype: str
) -> None:
    plan = workers.plan(converted_bases[base], ADAPTER, dtype)
    for step in (prepare_base, merge, deliver):
        workers.run(step, plan)
    assert local_places_in(workers.cloud, plan) == []
    assert objects_of(workers.cloud, plan) == delivered_from_a_folder(workers, tmp_path, plan)


def delivered_from_a_folder(workers: Workers, folder: Path, plan: ImportPlan) -> dict[str, bytes]:
    """What the same run delivers when all steps share a folder."""
    cloud, config = workers.cloud, plan.config
    shared = plan_in(cloud, folder.with_name(f"shared-{folder.name}"), config.base, config.adapter, config.dtype)
    for step in (prepare_base, merge, deliver):
        step(shared, cloud.s3, cloud.sagemaker)
    return objects_of(cloud, shared)


def test_a_checkpoint_in_the_workspace_is_validated_and_loaded_on_a_worker_that_has_nothing_of_it(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    load = validation.load_defects
    monkeypatch.setattr(validation, "load_defects", lambda folder, size: loaded.append(folder) or load(folder, size))
    plan = workers.plan(f"s3://{BUCKET}/sources/base", ADAPTER)
    workers.run(merge, plan)  # makes the base as well: the task before may have been cleared
    assert workers.run(validate, plan).errors == ()
    assert [folder.name for folder in loaded] == ["loaded"]


MIB = 2**20


@pytest.fixture(scope="module")
def large(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a base of 57 MiB, which is in S3 as well, and of adapters."""
    folder = tmp_path_factory.mktemp("large")
    cloud.put_folder(save_large_model(folder), "sources/large")
    for modules in ("qv", "qkv"):
        save_large_adapter(folder, modules)
    return folder


@pytest.mark.parametrize(("modules", "changed"), [("qv", 10 * MIB), ("qkv", 12 * MIB)])
def test_what_a_merge_changes_is_sent_once_and_copied_from_the_workspace(
    workers: Workers, tmp_path: Path, large: Path, modules: str, changed: int
) -> None:
    s3, base, adapter = workers.cloud.s3, f"s3://{BUCKET}/sources/large", str(large / f"large-adapter-{modules}")
    plan = workers.plan(base, adapter)
    with watched(s3) as requests:
        for step in (prepare_base, merge, deliver):
            workers.run(step, plan)
    with watched(s3) as in_a_folder:
        expected = delivered_from_a_folder(workers, tmp_path, plan)
    assert objects_of(workers.cloud, plan) == expected
    small_files = sum(len(body) for name, body in expected.items() if name != "model.safetensors")
    assert sum(requests.sent) <= sum(in_a_folder.sent) + small_files
    if modules == "qv":  # k is so short that it is sent with its neighbours
        assert sum(requests.sent) <= 1.1 * changed + small_files
    assert whole_checksum(workers.cloud, plan) == crc64nvme(expected["model.safetensors"])


def test_of_raw_weights_that_were_fetched_from_s3_only_what_is_converted_is_sent(
    workers: Workers, tmp_path: Path, large: Path
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    save_raw(AutoModelForCausalLM.from_pretrained(large / "large-base", torch_dtype="auto"), raw)
    for name in TOKENIZER:
        shutil.copy(large / "large-base" / name, raw)
    workers.cloud.put_folder(raw, f"sources/{tmp_path.name}")
    plan = workers.plan(f"s3://{BUCKET}/sources/{tmp_path.name}", None)
    with watched(workers.cloud.s3) as requests:
        workers.run(prepare_base, plan)
        workers.run(deliver, plan)
    assert f"{plan.config.base}/consolidated.safetensors" in places_in(workers.cloud, plan)
    neighbours = 3 * 5 * MIB  # of q, k and the header
    assert sum(requests.sent) < 10 * MIB + neighbours
    weights = load(objects_of(workers.cloud, plan)["model.safetensors"])
    expected = load((large / "large-base" / "model.safetensors").read_bytes())
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def whole_checksum(cloud: Cloud, plan: ImportPlan) -> int | None:
    """The checksum that the merged file must have, known before the file is put together."""
    checkpoint = Checkpoint.from_json(plan.files.read(MERGED, cloud.s3) or b"")
    ranges = load_ranges(plan.files.read(READ, cloud.s3) or b"")
    return derive_checksums(cloud.s3, checkpoint, ranges).get("model.safetensors")


def test_a_merge_that_dies_at_any_request_ends_right_on_another_worker(workers: Workers) -> None:
    cloud, plan = workers.cloud, workers.plan(f"s3://{BUCKET}/sources/base", ADAPTER)
    workers.run(prepare_base, plan)
    with watched(cloud.s3, WORKSPACE) as requests:
        workers.run(merge, plan)
    expected = {key: etag_of(cloud, key) for key in keys_in(cloud, plan)}
    for fails_at in range(len(requests.writes)):
        for key in keys_in(cloud, plan):
            if "/base" not in key:
                cloud.s3.delete_object(Bucket=BUCKET, Key=key)
        with watched(cloud.s3, WORKSPACE, fails_at), pytest.raises(WriteRefusedError):
            workers.run(merge, plan)
        assert plan.files.read(MERGED, cloud.s3) is None
        workers.run(merge, plan)
        assert {key: etag_of(cloud, key) for key in keys_in(cloud, plan)} == expected


def test_what_is_gone_from_the_workspace_is_made_again(workers: Workers) -> None:
    cloud, plan = workers.cloud, workers.plan(f"s3://{BUCKET}/sources/base", ADAPTER)
    workers.run(merge, plan)
    expected = {key: etag_of(cloud, key) for key in keys_in(cloud, plan)}
    cloud.s3.delete_object(Bucket=BUCKET, Key=f"{S3Uri.parse(plan.workspace).key}/merged/parts")
    workers.run(deliver, plan)
    assert {key: etag_of(cloud, key) for key in keys_in(cloud, plan)} == expected


def etag_of(cloud: Cloud, key: str) -> str:
    return str(cloud.s3.head_object(Bucket=BUCKET, Key=key)["ETag"])


def clear(plan: ImportPlan, cloud: Cloud) -> None:
    """Clear the run's place in the workspace, as the last task of a run does."""
    clear_workspace(ROOT, DAG, run_id_of(plan), lambda: cloud.s3)


MERGE = """
import sys
import boto3
from include.run.plan import ImportPlan
from include.steps.prepare import merge
plan = ImportPlan.model_validate_json(sys.stdin.read())
keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
merge(plan, boto3.client("s3", endpoint_url=sys.argv[1], **keys), boto3.client("sagemaker", **keys))
"""


def test_a_worker_that_is_killed_leaves_what_it_sent_to_the_next_one(
    workers: Workers, tmp_path: Path, large: Path
) -> None:
    cloud = workers.cloud
    plan = workers.plan(f"s3://{BUCKET}/sources/large", str(large / "large-adapter-qv"))
    workers.run(prepare_base, plan)
    lost = workers.next()
    with FaultyProxy(cloud.s3.meta.endpoint_url) as proxy:
        command = [sys.executable, "-c", MERGE, proxy.endpoint_url]
        worker = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, text=True)

        def kill_before_it_is_complete(request: Request) -> str | None:
            if request.kind == "CompleteMultipartUpload":
                worker.kill()
                return "reset"
            return None

        proxy.rule = kill_before_it_is_complete
        worker.communicate(plan.model_dump_json())
    assert worker.returncode == -signal.SIGKILL
    assert files_of_runs(lost) != []  # what a killed task leaves on its own disk
    with watched(cloud.s3, WORKSPACE) as requests:
        workers.run(merge, plan)
    assert "CompleteMultipartUpload" in requests.writes
    assert sum(requests.sent) < 0.1 * MIB  # both parts were there
    workers.run(deliver, plan)
    assert objects_of(cloud, plan) == delivered_from_a_folder(workers, tmp_path, plan)


def test_clearing_removes_what_the_run_left_in_s3_and_nothing_else(workers: Workers) -> None:
    cloud = workers.cloud
    plan, other = (workers.plan(f"s3://{BUCKET}/sources/base", None, run_id=name) for name in ("run", "run-2"))
    for each in (plan, other):
        workers.run(prepare_base, each)
        cloud.s3.create_multipart_upload(Bucket=BUCKET, Key=f"{S3Uri.parse(each.workspace).key}/merged/parts")
    before = keys_in(cloud, other)
    assert before
    clear(plan, cloud)
    clear(plan, cloud)
    assert keys_in(cloud, plan) == []
    assert keys_in(cloud, other) == before
    uploads = [upload["Key"] for upload in cloud.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    assert f"{S3Uri.parse(other.workspace).key}/merged/parts" in uploads
    assert f"{S3Uri.parse(plan.workspace).key}/merged/parts" not in uploads
    clear(other, cloud)


def test_scratch_space_that_a_killed_task_left_long_ago_is_removed_and_the_cache_is_not(workers: Workers) -> None:
    plan = workers.plan(f"s3://{BUCKET}/sources/base", None)
    home = workers.next() / "model-import-workspace"
    abandoned, recent = (home / DAG / f"{name}-0123456789ab" for name in ("abandoned", "recent"))
    cached = home / "cache" / "sources-0123456789ab"
    for folder in (abandoned, recent, cached):
        folder.mkdir(parents=True)
    long_ago = time.time() - SCRATCH_SECONDS - 60
    for folder in (abandoned, cached):
        os.utime(folder, (long_ago, long_ago))
    prepare_base(plan, workers.cloud.s3, workers.cloud.sagemaker)
    assert (abandoned.exists(), recent.exists(), cached.exists()) == (False, True, True)
