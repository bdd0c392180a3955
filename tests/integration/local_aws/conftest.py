"""One stand-in for the tests of moto's services here, and clients of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.local_aws_process import LocalAwsProcess

Client = Any
ONCE = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess() as process:
        yield process


@pytest.fixture(scope="session")
def client(local_aws: LocalAwsProcess) -> Callable[[str], Client]:
    """Return boto3 clients that do not retry and leave it to the stand-in to find invalid parameters."""

    def make(service: str) -> Client:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=local_aws.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=ONCE,
        )

    return make


@pytest.fixture(scope="session")
def s3(client: Callable[[str], Client]) -> Client:
    return client("s3")


@pytest.fixture
def bucket(s3: Client) -> str:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name
