"""The AWS stand-in in a process of its own, with a checkpoint in its S3 and a role that Bedrock may assume."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import requests

from bedrock_import.operators import BedrockCreateModelImportJobOperator
from bedrock_import.sensors import BedrockImportedModelReadySensor, BedrockModelImportJobCompletedSensor
from tests.support.bedrock_stand_in import TRUST
from tests.support.local_aws_process import OWN_HEADERS, LocalAwsProcess
from tests.support.tiny_mistral import save_tiny_mistral

ACCOUNT, BUCKET, CONNECTION = "123456789012", "models", "aws_local"
OPTIONS = ["--import-seconds", "0.3", "--cold-start-seconds", "0.5", "--max-imported-models", "100"]


@dataclass
class Aws:
    """The stand-in, and the tasks of an import against it; every import has a name of its own."""

    endpoint_url: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def script(self, fault: str, **body: Any) -> None:
        requests.post(
            f"{self.endpoint_url}/_local_aws/bedrock/{fault}", json=body, headers=OWN_HEADERS, timeout=10
        ).raise_for_status()

    def jobs(self, name: str) -> list[str]:
        found = self.client("bedrock").list_model_import_jobs(nameContains=name)
        return sorted(job["jobName"] for job in found["modelImportJobSummaries"])

    def new_name(self) -> str:
        return f"import{next(self.numbers)}x"

    def create(self, name: str, **kwargs: Any) -> BedrockCreateModelImportJobOperator:
        tags = [{"key": "fingerprint", "value": name}]
        arguments: dict[str, Any] = {
            "task_id": "create_import_job",
            "job_name": name,
            "imported_model_name": name,
            "role_arn": f"arn:aws:iam::{ACCOUNT}:role/import",
            "s3_uri": f"s3://{BUCKET}/checkpoint/",
            "client_request_token": name,
            "import_job_kwargs": {"jobTags": tags, "importedModelTags": tags},
            "wait_for_completion": False,
            "aws_conn_id": CONNECTION,
            "waiter_delay": 0.2,
        }
        return BedrockCreateModelImportJobOperator(**arguments | kwargs)

    def wait(self, job_identifier: str, **kwargs: Any) -> BedrockModelImportJobCompletedSensor:
        arguments: dict[str, Any] = {"timeout": 60, "poke_interval": 0.1, "aws_conn_id": CONNECTION} | kwargs
        return BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier=job_identifier, **arguments)

    def warm_up(self, arn: str, **kwargs: Any) -> BedrockImportedModelReadySensor:
        arguments: dict[str, Any] = {"timeout": 60, "poke_interval": 0.1, "aws_conn_id": CONNECTION} | kwargs
        return BedrockImportedModelReadySensor(task_id="warm_up", imported_model_arn=arn, **arguments)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with LocalAwsProcess(OPTIONS) as process:
        aws = Aws(process.endpoint_url)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        for path in save_tiny_mistral(tmp_path_factory.mktemp("checkpoint")).iterdir():
            aws.client("s3").upload_file(str(path), BUCKET, f"checkpoint/{path.name}")
        create_role(aws, "import")
        yield aws


def create_role(aws: Aws, name: str) -> None:
    """A role with the trust policy and the permissions that the User Guide asks for."""
    reads = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"},
    ]
    iam = aws.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy(TRUST)))
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy(*reads)))


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.fixture
def aws(stand_in: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    extra = {"endpoint_url": stand_in.endpoint_url, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
    yield stand_in
    stand_in.script("clear-faults")
