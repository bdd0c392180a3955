"""The project's templates, deployed on the stand-in as a user does on AWS."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import boto3
import requests
from botocore.config import Config

from include.run.workspace import PROJECT_ROOT
from tests.support.local_aws_process import OWN_HEADERS

ACCOUNT, REGION = "123456789012", "us-east-1"
ADMIN = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
IMPORT, ALARMS = (
    PROJECT_ROOT / "include/cloudformation" / name for name in ("model_import.yaml", "model_import_alarms.yaml")
)
Statement = dict[str, Any]


@dataclass
class Aws:
    """The stand-in; every stack has a name of its own."""

    endpoint_url: str
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def client(self, service: str, **keys: str) -> Any:
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint_url, config=config, **(keys or ADMIN)
        )

    def deploy(self, template: str, **parameters: str) -> dict[str, str]:
        """The outputs of a new stack."""
        cloudformation, name = self.client("cloudformation"), f"model-import-{next(self.numbers)}"
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        cloudformation.create_stack(
            StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"], Parameters=given
        )
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def policy_statements(self, policy_arn: str) -> list[Statement]:
        """The statements of a managed policy."""
        version = self.client("iam").get_policy_version(PolicyArn=policy_arn, VersionId="v1")["PolicyVersion"]
        statements: list[Statement] = version["Document"]["Statement"]
        return statements

    def role_policies(self, role_arn: str) -> dict[str, list[Statement]]:
        """The statements of a role's inline policies, by the policy's name."""
        iam, role = self.client("iam"), role_arn.rpartition("/")[2]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
        return {name: document["Statement"] for name, document in documents.items()}

    def role_statements(self, role_arn: str) -> list[Statement]:
        """All of them."""
        return [statement for statements in self.role_policies(role_arn).values() for statement in statements]

    def decisions(self, caller_arn: str) -> list[dict[str, Any]]:
        """What the stand-in was asked to decide about a caller."""
        answer = requests.get(
            f"{self.endpoint_url}/_local_aws/access", params={"caller": caller_arn}, headers=OWN_HEADERS, timeout=10
        )
        decisions: list[dict[str, Any]] = answer.json()["decisions"]
        return decisions


def document(statements: list[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
