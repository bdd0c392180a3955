"""What tests do with the Bedrock of the stand-in: clients, uploads, imports, roles, scripted faults."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.local_aws_process import OWN_HEADERS

ACCOUNT = "123456789012"
REGION = "us-east-1"
BUCKET = "models-us-east-1"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
ONCE = Config(retries={"total_max_attempts": 1})
PATIENCE = 60.0


def trust_of(jobs: str) -> dict[str, Any]:
    """The trust statement that the User Guide asks for, of a role for Bedrock's jobs of one kind."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": "bedrock.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:{jobs}/*"},
        },
    }


TRUST = trust_of("model-import-job")
OWNED = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
LIST = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}", "Condition": OWNED}
GET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*", "Condition": OWNED}
PERMISSIONS: list[dict[str, Any]] = [LIST, GET]

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Aws:
    """The stand-in at an endpoint, and the role that its imports use. Clients never retry."""

    endpoint: str
    role_arn: str = f"arn:aws:iam::{ACCOUNT}:role/import"

    def client(self, service: str, region: str = REGION, config: Config = ONCE) -> Any:
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, config=config, **CREDENTIALS)

    def script(self, fault: str, **body: Any) -> None:
        requests.post(
            f"{self.endpoint}/_local_aws/bedrock/{fault}", json=body, headers=OWN_HEADERS, timeout=10
        ).raise_for_status()

    def upload(self, folder: Path, prefix: str) -> str:
        s3 = self.client("s3")
        for path in sorted(folder.iterdir()):
            s3.upload_file(str(path), BUCKET, f"{prefix}/{path.name}")
        return f"s3://{BUCKET}/{prefix}/"

    def create_job(self, s3_uri: str, name: str, region: str = REGION, **more: Any) -> str:
        given = {
            "jobName": name,
            "importedModelName": name,
            "roleArn": self.role_arn,
            "modelDataSource": {"s3DataSource": {"s3Uri": s3_uri}},
        }
        return str(self.client("bedrock", region).create_model_import_job(**given | more)["jobArn"])

    def finished_job(self, job: str, region: str = REGION) -> dict[str, Any]:
        """The job once it is no longer in progress."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.client("bedrock", region).get_model_import_job(jobIdentifier=job)
            if found["status"] != "InProgress":
                return found
            time.sleep(0.05)
        raise TimeoutError(job)

    def import_model(self, s3_uri: str, name: str, **more: Any) -> str:
        """The ARN of a model that was imported; fails with the job when it was not."""
        job = self.finished_job(self.create_job(s3_uri, name, **more))
        assert job["status"] == "Completed", job
        return str(job["importedModelArn"])

    def invoke(self, model_id: str, **body: Any) -> dict[str, Any]:
        answer = self.client("bedrock-runtime").invoke_model(modelId=model_id, body=json.dumps(body))
        return dict(json.loads(answer["body"].read()))

    def stream(self, model_id: str, **body: Any) -> list[dict[str, Any]]:
        """The chunks of a streamed answer."""
        runtime = self.client("bedrock-runtime")
        answer = runtime.invoke_model_with_response_stream(modelId=model_id, body=json.dumps(body))
        return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]

    def converse(self, model_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": [{"text": text}]}]
        return dict(self.client("bedrock-runtime").converse(**{"modelId": model_id, "messages": messages} | more))

    def create_role(
        self, name: str, trust: dict[str, Any] = TRUST, permissions: list[dict[str, Any]] = PERMISSIONS
    ) -> str:
        """A role with the trust and the permissions that the User Guide asks for, unless told otherwise."""
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))["Role"]["Arn"]
        if permissions:
            iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=_policy(permissions))
        return str(arn)


def when_ready(call: Callable[[], Answer]) -> Answer:
    """The answer of a call that is repeated while the model is cold."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except ClientError as error:
            if error_code(error) != "ModelNotReadyException" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def error_code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
