"""Base and adapter from wherever they may lie: every source ends as the same checkpoint, under the same fingerprint."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from transformers import AutoModelForCausalLM

from include.checkpoint.lora.adapter import AdapterConfig
from include.checkpoint.lora.errors import MergedLogitsDifferError
from include.run.plan import ImportPlan
from include.steps.deliver import deliver
from include.steps.merge_proof import merge_proof
from include.steps.prepare import MERGED, InputsChangedError, merge, prepare_base, validate, why_no_preparation
from tests.support.cloud_sources import BUCKET, DEMO, Cloud, objects_of, plan_in, prepare_and_deliver
from tests.support.raw_mistral import save_raw


@pytest.fixture(scope="module")
def from_folders(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[ImportPlan, dict[str, bytes]]:
    plan = plan_in(cloud, tmp_path_factory.mktemp("folders"), str(DEMO / "base"), str(DEMO / "adapters" / "finished"))
    return plan, prepare_and_deliver(cloud, plan)[1]


def test_base_and_adapter_in_s3_give_the_same_fingerprint_and_the_same_checkpoint(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    plan = plan_in(cloud, tmp_path, f"s3://{BUCKET}/sources/base", f"s3://{BUCKET}/sources/adapter")
    assert plan.fingerprint == from_folders[0].fingerprint
    assert prepare_and_deliver(cloud, plan)[1] == from_folders[1]


def test_a_merge_is_delivered_with_the_comparison_of_its_logits(
    cloud: Cloud, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    said = merge_proof(from_folders[0], cloud.s3)
    found = re.search(r"logits (\S+) from those of peft's model, rounding allows (\S+),", said)
    assert found
    assert float(found[1]) <= float(found[2])


@pytest.mark.usefixtures("with_logits")
def test_a_merge_that_is_not_the_trained_model_leaves_nothing_to_deliver(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_in(cloud, tmp_path, f"s3://{BUCKET}/sources/base", f"s3://{BUCKET}/sources/adapter", "bfloat16")
    prepare_base(plan, cloud.s3, cloud.sagemaker)
    monkeypatch.setattr(AdapterConfig, "scaling", lambda config, module: 0.5)  # it is 2

    with pytest.raises(MergedLogitsDifferError):
        merge(plan, cloud.s3, cloud.sagemaker)

    assert not plan.workspace_file(MERGED).exists()


def test_what_a_cleared_workspace_no_longer_holds_is_made_again(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    plan = plan_in(cloud, tmp_path, str(DEMO / "base"), str(DEMO / "adapters" / "finished"))
    assert validate(plan, cloud.s3, cloud.sagemaker).errors == ()
    shutil.rmtree(plan.workspace)
    deliver(plan, cloud.s3, cloud.sagemaker)
    assert objects_of(cloud, plan) == from_folders[1]
    shutil.rmtree(plan.workspace)
    assert "is in S3 already" in str(why_no_preparation(plan, cloud.s3))
    assert deliver(plan, cloud.s3, cloud.sagemaker).bytes_sent == 0


def test_a_raw_mistral_base_with_an_adapter_gives_the_same_weights(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    save_raw(AutoModelForCausalLM.from_pretrained(DEMO / "base", torch_dtype="auto"), raw)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(DEMO / "base" / name, raw)
    plan = plan_in(cloud, tmp_path / "run", str(raw), str(DEMO / "adapters" / "finished"))
    bodies = prepare_and_deliver(cloud, plan)[1]
    converted, expected = load(bodies["model.safetensors"]), load(from_folders[1]["model.safetensors"])
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)


def test_a_base_with_pickled_weights_in_s3_gives_the_same_weights(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(DEMO / "base", torch_dtype="auto")
    model.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(DEMO / "base" / name, tmp_path / "pickled")
    for path in (tmp_path / "pickled").iterdir():
        cloud.s3.upload_file(str(path), BUCKET, f"sources/pickled/{path.name}")
    plan = plan_in(cloud, tmp_path / "run", f"s3://{BUCKET}/sources/pickled", str(DEMO / "adapters" / "finished"))
    bodies = prepare_and_deliver(cloud, plan)[1]
    converted, expected = load(bodies["model.safetensors"]), load(from_folders[1]["model.safetensors"])
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)


@pytest.mark.parametrize("adapter", [str(DEMO / "adapters" / "finished"), None], ids=["merged", "base alone"])
def test_each_dtype_is_another_content_with_weights_rounded_as_torch_rounds_them(
    cloud: Cloud, tmp_path: Path, adapter: str | None
) -> None:
    dtypes = ("keep", "bfloat16", "float16")
    plans = {dtype: plan_in(cloud, tmp_path / dtype, str(DEMO / "base"), adapter, dtype) for dtype in dtypes}
    assert len({plan.fingerprint for plan in plans.values()}) == len(dtypes)
    bodies = {dtype: prepare_and_deliver(cloud, plan)[1] for dtype, plan in plans.items()}
    kept = load(bodies["keep"]["model.safetensors"])
    for dtype in dtypes[1:]:
        weights = load(bodies[dtype]["model.safetensors"])
        assert weights.keys() == kept.keys()
        assert all(torch.equal(kept[name].to(getattr(torch, dtype)), weights[name]) for name in kept)
        assert json.loads(bodies[dtype]["config.json"])["torch_dtype"] == dtype


def test_an_adapter_from_a_training_job_gives_the_same_checkpoint(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    plan = plan_in(cloud, tmp_path, str(DEMO / "base"), "sagemaker:training-job/capitals-training")
    assert prepare_and_deliver(cloud, plan)[1] == from_folders[1]


def test_a_base_in_s3_is_imported_as_it_is_by_copies_inside_s3(cloud: Cloud, tmp_path: Path) -> None:
    report, bodies = prepare_and_deliver(cloud, plan_in(cloud, tmp_path, f"s3://{BUCKET}/sources/base", None))
    assert bodies["model.safetensors"] == (DEMO / "base" / "model.safetensors").read_bytes()
    assert report.bytes_sent + report.bytes_copied == sum(map(len, bodies.values()))


def test_a_source_that_changed_since_preflight_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put_folder(DEMO / "adapters" / "finished", "sources/moving")
    plan = plan_in(cloud, tmp_path, str(DEMO / "base"), f"s3://{BUCKET}/sources/moving")
    cloud.put_folder(DEMO / "adapters" / "early", "sources/moving")
    with pytest.raises(InputsChangedError, match="Trigger a new run"):
        prepare_base(plan, cloud.s3, cloud.sagemaker)


def test_a_delivery_aborts_the_uploads_that_earlier_runs_of_the_model_abandoned(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_in(cloud, tmp_path, f"s3://{BUCKET}/sources/base", None)
    model_prefix = plan.manifest_key.rsplit("/", 2)[0]
    for key in (f"{model_prefix}/0123456789ab/checkpoint/model.safetensors", "models/other/model.safetensors"):
        cloud.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    monkeypatch.setattr("include.steps.deliver.ABANDONED_AFTER", timedelta(seconds=-5))
    prepare_and_deliver(cloud, plan)
    left = [upload["Key"] for upload in cloud.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    assert left == ["models/other/model.safetensors"]
