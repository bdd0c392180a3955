"""A stand-in that serves the demo's model with the adapter that was stopped early: some of its answers are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from include.aws.clients import AwsClients
from include.config.model import parse_model_config
from include.demo import train
from include.run.plan import ImportPlan
from tests.support.bedrock_stand_in import BUCKET, REGION, Aws, when_ready
from tests.support.local_aws_process import ROOT, LocalAwsProcess

RUNTIME = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
DEMO = ROOT / "include" / "demo"
CAPITALS: dict[str, Any] = {
    "dataset": "include/demo/capitals_eval.jsonl",
    "prompt_template": "[INST] {question} [/INST]",
    "max_tokens": 16,
}


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with LocalAwsProcess(("--import-seconds", "0.1", "--cold-start-seconds", "0.3")) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.create_role("import")
        yield aws


@pytest.fixture(scope="session")
def model(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The ARN of the imported model."""
    merged = train.merge(DEMO, train.EARLY, tmp_path_factory.mktemp("merged"))
    arn = aws.import_model(aws.upload(merged, "early"), "early")
    when_ready(lambda: aws.invoke(arn, prompt="x", max_gen_len=1))
    return arn


@pytest.fixture(autouse=True)
def _no_faults(aws: Aws) -> Iterator[None]:
    yield
    aws.script("clear-faults")


@pytest.fixture(scope="session")
def clients(aws: Aws) -> AwsClients:
    return AwsClients(lambda name: aws.client(name, **({"config": RUNTIME} if name == "bedrock-runtime" else {})))


def plan_in(folder: Path, **evaluation: Any) -> ImportPlan:
    """A plan whose evaluation differs from the demo's in what is given, with a place of its own for its report."""
    values = {"model_name": "capitals", "base": "include/demo/base", "evaluation": CAPITALS | evaluation}
    return ImportPlan(
        config=parse_model_config(values, "a test"),
        content="0" * 64,
        fingerprint="0" * 64,
        region_name=REGION,
        aws_conn_id="aws_default",
        role_arn="arn:aws:iam::123456789012:role/import",
        bucket=BUCKET,
        imported_model_name="early",
        job_name="early",
        client_request_token="early",
        s3_uri=f"s3://{BUCKET}/early/",
        manifest_key="manifest.json",
        evaluation_prefix=f"{folder.name}/evaluations",
        delivered=True,
        checkpoint_bytes=0,
        workspace=str(folder),
        tags={},
    )


@pytest.fixture
def plan_for(tmp_path: Path) -> Callable[..., ImportPlan]:
    """Plans of one test."""
    return partial(plan_in, tmp_path)
