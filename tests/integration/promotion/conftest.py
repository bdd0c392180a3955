from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from include.aws.clients import AwsClients
from tests.support.bedrock_stand_in import BUCKET, Aws
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.promotion_runs import Runs
from tests.support.tiny_mistral import save_tiny_mistral

OPTIONS = (
    "--import-seconds", "0", "--evaluation-seconds", "0", "--cold-start-seconds", "0", "--max-imported-models", "4",
)  # fmt: skip


@pytest.fixture(scope="package")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with LocalAwsProcess(OPTIONS) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.create_role("import")
        aws.upload(save_tiny_mistral(tmp_path_factory.mktemp("checkpoint")), "whole")
        yield aws


@pytest.fixture(scope="package")
def clients(aws: Aws) -> AwsClients:
    return AwsClients(aws.client)


@pytest.fixture(scope="package")
def model_arn(aws: Aws) -> str:
    return aws.import_model(f"s3://{BUCKET}/whole/", "served")


@pytest.fixture
def runs(clients: AwsClients, model_arn: str, tmp_path: Path) -> Runs:
    return Runs(clients, model_arn, tmp_path)


@pytest.fixture(scope="package")
def arns(aws: Aws, model_arn: str) -> tuple[str, str]:
    """Two imported models."""
    return model_arn, aws.import_model(f"s3://{BUCKET}/whole/", "published")


@pytest.fixture
def own_arn(aws: Aws, runs: Runs) -> Iterator[str]:
    """An imported model of this test alone."""
    with own_model(aws, runs, 1) as arn:
        yield arn


@pytest.fixture
def own_arns(aws: Aws, runs: Runs, own_arn: str) -> Iterator[tuple[str, str]]:
    """Two imported models of this test alone; the account has room for no other."""
    with own_model(aws, runs, 2) as other:
        yield own_arn, other


@contextmanager
def own_model(aws: Aws, runs: Runs, number: int) -> Iterator[str]:
    yield (arn := aws.import_model(f"s3://{BUCKET}/whole/", f"{runs.group}-{number}"))
    aws.client("bedrock").delete_imported_model(modelIdentifier=arn)
