"""Base and adapter from wherever they may lie: every source ends as the same checkpoint, under the same fingerprint."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import torch
from safetensors.torch import load
from transformers import AutoModelForCausalLM

from include.config.model import parse_model_config
from include.run.inputs import describe_inputs
from include.run.plan import ImportPlan
from include.run.workspace import PROJECT_ROOT
from include.steps.deliver import deliver
from include.steps.prepare import InputsChangedError, merge, prepare_base, validate, why_no_preparation
from include.steps.results import DeliveryResult
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.raw_mistral import save_raw

DEMO = PROJECT_ROOT / "include" / "demo"
BUCKET = "checkpoints"


class Cloud:
    """The demo's model in S3 and SageMaker of a stand-in."""

    def __init__(self, endpoint_url: str) -> None:
        session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
        self.s3 = session.client("s3", endpoint_url=endpoint_url)
        self.sagemaker = session.client("sagemaker", endpoint_url=endpoint_url)
        self.s3.create_bucket(Bucket=BUCKET)
        self.put_folder(DEMO / "base", "sources/base")
        self.put_folder(DEMO / "adapters" / "finished", "sources/adapter")
        self._train("capitals-training", DEMO / "adapters" / "finished")

    def put_folder(self, folder: Path, prefix: str) -> None:
        for path in folder.iterdir():
            body, key = path.read_bytes(), f"{prefix}/{path.name}"
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="CRC64NVME")

    def _train(self, name: str, folder: Path) -> None:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path in folder.iterdir():
                tar.add(path, path.name)
        self.s3.put_object(Bucket=BUCKET, Key=f"training/{name}/output/model.tar.gz", Body=archive.getvalue())
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingInputMode": "File", "TrainingImage": "image"},
            RoleArn="arn:aws:iam::123456789012:role/training",
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/training"},
            ResourceConfig={"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with LocalAwsProcess() as local_aws:
        yield Cloud(local_aws.endpoint_url)


def _plan(cloud: Cloud, workspace: Path, base: str, adapter: str | None, dtype: str = "keep") -> ImportPlan:
    values = {
        "model_name": "capitals",
        "dtype": dtype,
        "base": base,
        "adapter": adapter,
        "evaluation": {"dataset": "include/demo/capitals_eval.jsonl"},
        "account": {"workspace": str(workspace), "bucket": BUCKET},
    }
    config = parse_model_config(values, "a test")
    digest = describe_inputs(config, cloud.s3, cloud.sagemaker).fingerprint
    root = f"imports/{workspace.name}"
    return ImportPlan(
        config=config,
        content=digest,
        fingerprint=digest,
        region_name="us-east-1",
        aws_conn_id="aws_default",
        role_arn="arn:aws:iam::123456789012:role/import",
        bucket=BUCKET,
        imported_model_name="capitals",
        job_name="capitals",
        client_request_token="capitals",
        s3_uri=f"s3://{BUCKET}/{root}/checkpoint/",
        manifest_key=f"{root}/manifest.json",
        evaluation_prefix=f"{root}/evaluations",
        delivered=False,
        checkpoint_bytes=0,
        workspace=str(workspace / "run"),
        tags={"fingerprint": digest},
    )


def _deliver(cloud: Cloud, plan: ImportPlan) -> tuple[DeliveryResult, dict[str, bytes]]:
    prepare_base(plan, cloud.s3, cloud.sagemaker)
    if plan.config.adapter:
        merge(plan, cloud.s3, cloud.sagemaker)
    assert validate(plan, cloud.s3, cloud.sagemaker).errors == ()
    report = deliver(plan, cloud.s3, cloud.sagemaker)
    return report, _objects(cloud, plan)


def _objects(cloud: Cloud, plan: ImportPlan) -> dict[str, bytes]:
    objects = cloud.s3.list_objects_v2(Bucket=BUCKET, Prefix=plan.prefix)["Contents"]
    bodies = {item["Key"]: cloud.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in objects}
    return {key.removeprefix(plan.prefix): body for key, body in bodies.items()}


@pytest.fixture(scope="module")
def from_folders(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[ImportPlan, dict[str, bytes]]:
    plan = _plan(cloud, tmp_path_factory.mktemp("folders"), str(DEMO / "base"), str(DEMO / "adapters" / "finished"))
    return plan, _deliver(cloud, plan)[1]


def test_base_and_adapter_in_s3_give_the_same_fingerprint_and_the_same_checkpoint(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    plan = _plan(cloud, tmp_path, f"s3://{BUCKET}/sources/base", f"s3://{BUCKET}/sources/adapter")
    assert plan.fingerprint == from_folders[0].fingerprint
    assert _deliver(cloud, plan)[1] == from_folders[1]


def test_what_a_cleared_workspace_no_longer_holds_is_made_again(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    plan = _plan(cloud, tmp_path, str(DEMO / "base"), str(DEMO / "adapters" / "finished"))
    assert validate(plan, cloud.s3, cloud.sagemaker).errors == ()
    shutil.rmtree(plan.workspace)
    deliver(plan, cloud.s3, cloud.sagemaker)
    assert _objects(cloud, plan) == from_folders[1]
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
    plan = _plan(cloud, tmp_path / "run", str(raw), str(DEMO / "adapters" / "finished"))
    bodies = _deliver(cloud, plan)[1]
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
    plan = _plan(cloud, tmp_path / "run", f"s3://{BUCKET}/sources/pickled", str(DEMO / "adapters" / "finished"))
    bodies = _deliver(cloud, plan)[1]
    converted, expected = load(bodies["model.safetensors"]), load(from_folders[1]["model.safetensors"])
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)


@pytest.mark.parametrize("adapter", [str(DEMO / "adapters" / "finished"), None], ids=["merged", "base alone"])
def test_each_dtype_is_another_content_with_weights_rounded_as_torch_rounds_them(
    cloud: Cloud, tmp_path: Path, adapter: str | None
) -> None:
    dtypes = ("keep", "bfloat16", "float16")
    plans = {dtype: _plan(cloud, tmp_path / dtype, str(DEMO / "base"), adapter, dtype) for dtype in dtypes}
    assert len({plan.fingerprint for plan in plans.values()}) == len(dtypes)
    bodies = {dtype: _deliver(cloud, plan)[1] for dtype, plan in plans.items()}
    kept = load(bodies["keep"]["model.safetensors"])
    for dtype in dtypes[1:]:
        weights = load(bodies[dtype]["model.safetensors"])
        assert weights.keys() == kept.keys()
        assert all(torch.equal(kept[name].to(getattr(torch, dtype)), weights[name]) for name in kept)
        assert json.loads(bodies[dtype]["config.json"])["torch_dtype"] == dtype


def test_an_adapter_from_a_training_job_gives_the_same_checkpoint(
    cloud: Cloud, tmp_path: Path, from_folders: tuple[ImportPlan, dict[str, bytes]]
) -> None:
    plan = _plan(cloud, tmp_path, str(DEMO / "base"), "sagemaker:training-job/capitals-training")
    assert _deliver(cloud, plan)[1] == from_folders[1]


def test_a_base_in_s3_is_imported_as_it_is_by_copies_inside_s3(cloud: Cloud, tmp_path: Path) -> None:
    report, bodies = _deliver(cloud, _plan(cloud, tmp_path, f"s3://{BUCKET}/sources/base", None))
    assert bodies["model.safetensors"] == (DEMO / "base" / "model.safetensors").read_bytes()
    assert report.bytes_sent + report.bytes_copied == sum(map(len, bodies.values()))


def test_a_source_that_changed_since_preflight_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put_folder(DEMO / "adapters" / "finished", "sources/moving")
    plan = _plan(cloud, tmp_path, str(DEMO / "base"), f"s3://{BUCKET}/sources/moving")
    cloud.put_folder(DEMO / "adapters" / "early", "sources/moving")
    with pytest.raises(InputsChangedError, match="Trigger a new run"):
        prepare_base(plan, cloud.s3, cloud.sagemaker)


def test_a_delivery_aborts_the_uploads_that_earlier_runs_of_the_model_abandoned(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(cloud, tmp_path, f"s3://{BUCKET}/sources/base", None)
    model_prefix = plan.manifest_key.rsplit("/", 2)[0]
    for key in (f"{model_prefix}/0123456789ab/checkpoint/model.safetensors", "models/other/model.safetensors"):
        cloud.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    monkeypatch.setattr("include.steps.deliver.ABANDONED_AFTER", timedelta(seconds=-5))
    _deliver(cloud, plan)
    left = [upload["Key"] for upload in cloud.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    assert left == ["models/other/model.safetensors"]
