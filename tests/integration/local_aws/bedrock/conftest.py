"""One stand-in for all tests here, with a tiny checkpoint in its S3 and a role that may read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bedrock_stand_in import BUCKET, Aws, when_ready
from tests.support.greedy_oracle import GreedyOracle
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.tiny_mistral import save_tiny_mistral

QUICK = ("--import-seconds", "0.1", "--evaluation-seconds", "0.1", "--cold-start-seconds", "0.3")


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with LocalAwsProcess(QUICK) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.create_role("import")
        yield aws


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def s3_uri(aws: Aws, checkpoint: Path) -> str:
    return aws.upload(checkpoint, "whole")


@pytest.fixture(scope="session")
def oracle(checkpoint: Path) -> GreedyOracle:
    return GreedyOracle(checkpoint)


@pytest.fixture(scope="module")
def model(aws: Aws, s3_uri: str) -> Iterator[str]:
    """The ARN of an imported model, `capitals`, that is warm and the only one when its module begins."""
    aws.script("reset")
    arn = aws.import_model(s3_uri, "capitals")
    when_ready(lambda: aws.invoke(arn, prompt="x", max_gen_len=1))
    yield arn
    aws.script("reset")
