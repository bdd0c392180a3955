"""A stand-in that serves the demo's model with the adapter that was stopped early: some of its answers are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from include.aws.clients import AwsClients
from include.demo import train
from include.run.plan import ImportPlan
from tests.support.bedrock_stand_in import BUCKET, Aws, when_ready
from tests.support.evaluations import DEMO, RUNTIME, plan_in
from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with LocalAwsProcess(("--import-seconds", "0.1", "--cold-start-seconds", "0.3")) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.create_role("import")
        yield aws


@pytest.fixture(scope="session")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of the imported model."""
    return train.merge(DEMO, train.EARLY, tmp_path_factory.mktemp("merged"))


@pytest.fixture(scope="session")
def model(aws: Aws, merged: Path) -> str:
    """The ARN of the imported model."""
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


@pytest.fixture
def plan_for(tmp_path: Path) -> Callable[..., ImportPlan]:
    """Plans of one test."""
    return partial(plan_in, tmp_path)
