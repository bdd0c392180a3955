from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(scope="session")
def aws_server() -> Iterator[str]:
    with LocalAwsProcess() as server:
        yield server.endpoint_url


@pytest.fixture
def clients(aws_server: str) -> dict[str, Any]:
    account = {
        "endpoint_url": aws_server,
        "region_name": "us-east-1",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }
    return {service: boto3.client(service, **account) for service in ("s3", "sagemaker")}


@pytest.fixture
def s3(clients: dict[str, Any]) -> Any:
    client = clients["s3"]
    client.create_bucket(Bucket="models")
    yield client
    for item in client.list_objects_v2(Bucket="models").get("Contents", ()):
        client.delete_object(Bucket="models", Key=item["Key"])
    client.delete_bucket(Bucket="models")


@pytest.fixture
def sagemaker(clients: dict[str, Any]) -> Any:
    return clients["sagemaker"]
