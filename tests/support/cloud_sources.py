"""The demo's model in S3 and SageMaker of a stand-in, and the steps that prepare and deliver its checkpoint."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import boto3

from include.config.model import parse_model_config
from include.run.inputs import describe_inputs
from include.run.plan import ImportPlan
from include.run.workspace import PROJECT_ROOT
from include.steps.deliver import deliver
from include.steps.prepare import merge, prepare_base, validate
from include.steps.results import DeliveryResult
from tests.support.plans import import_plan
from tests.support.training_jobs import end_training_job

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
        end_training_job(self.sagemaker, name, f"s3://{BUCKET}/training")


def model_values(base: str, adapter: str | None, dtype: str, workspace: str, local_folder: Path) -> dict[str, Any]:
    """A model's file: what is imported, the run's workspace, and a folder that it may read."""
    return {
        "model_name": "capitals",
        "dtype": dtype,
        "base": base,
        "adapter": adapter,
        "evaluation": {"dataset": "include/demo/capitals_eval.jsonl"},
        "account": {"workspace": workspace, "bucket": BUCKET, "local_folders": str(local_folder)},
    }


def plan_in(cloud: Cloud, workspace: Path, base: str, adapter: str | None, dtype: str = "keep") -> ImportPlan:
    values = model_values(base, adapter, dtype, str(workspace), workspace.parent)
    digest = describe_inputs(parse_model_config(values, "a test"), cloud.s3, cloud.sagemaker).fingerprint
    place = f"{BUCKET}/imports/{workspace.name}"
    return import_plan(values, digest, place, workspace / "run", delivered=False, checkpoint_bytes=0)


def prepare_and_deliver(cloud: Cloud, plan: ImportPlan) -> tuple[DeliveryResult, dict[str, bytes]]:
    prepare_base(plan, cloud.s3, cloud.sagemaker)
    if plan.config.adapter:
        merge(plan, cloud.s3, cloud.sagemaker)
    assert validate(plan, cloud.s3, cloud.sagemaker).errors == ()
    report = deliver(plan, cloud.s3, cloud.sagemaker)
    return report, objects_of(cloud, plan)


def objects_of(cloud: Cloud, plan: ImportPlan) -> dict[str, bytes]:
    objects = cloud.s3.list_objects_v2(Bucket=BUCKET, Prefix=plan.prefix)["Contents"]
    bodies = {item["Key"]: cloud.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in objects}
    return {key.removeprefix(plan.prefix): body for key, body in bodies.items()}
