"""An account on the stand-in with everything that an import needs, and ways to misconfigure it."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from include.aws.clients import AwsClients
from include.config.model import ModelConfig, parse_model_config
from include.preflight.checks import preflight, preflight_content
from include.preflight.findings import Finding, PreflightFailedError
from include.preflight.permissions import Target, needs_of_caller, needs_of_role, trust_statement
from include.run.inputs import describe_inputs
from include.run.workspace import Workspace

ACCOUNT = "123456789012"
REGION = "us-east-1"
MODEL = "capitals"
ADMIN = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
#: What preflight itself asks. The bucket and role of a test change, hence every resource.
ASKING = {
    "Effect": "Allow",
    "Action": [
        "iam:GetRole", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy", "kms:DescribeKey", "kms:GetKeyPolicy",
        "s3:GetBucketPolicy", "s3:GetEncryptionConfiguration", "s3:ListBucket", "servicequotas:GetServiceQuota",
    ],
    "Resource": "*",
}  # fmt: skip
_numbers = itertools.count(1)


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement_in(remedy: str) -> dict[str, Any]:
    """The JSON that a remedy shows."""
    found = re.search(r"\{.*\}", remedy)
    assert found, remedy
    statement: dict[str, Any] = json.loads(found[0])
    return statement


class Account:
    """Bucket, key, import role and user of one test; the run's credentials are the user's."""

    def __init__(self, endpoint: str, folder: Path, base: Path, adapter: Path) -> None:
        number = next(_numbers)
        self.endpoint, self.folder = endpoint, folder
        self.bucket, self.role, self.user = f"checkpoints-{number}", f"import-{number}", f"runner-{number}"
        self.region = REGION
        self.keys = ADMIN
        self.tags = {"dag_id": "import_capitals", "dag_run_id": "manual__2026-11-22T10:00:00+00:00"}
        self.workspace = folder / "workspace"
        self.workspace_uri = ""  # of a workspace in S3
        self.dataset = folder / "eval.jsonl"
        self.dataset.write_text('{"question": "What is the capital of France?", "answer": "Paris"}\n')
        self.values: dict[str, Any] = {
            "model_name": MODEL,
            "base": str(base),
            "adapter": str(adapter),
            "evaluation": {"dataset": str(self.dataset), "prompt_template": "[INST] {question} [/INST]"},
            "account": {
                "bucket": self.bucket,
                "role_arn": f"arn:aws:iam::{ACCOUNT}:role/{self.role}",
                "workspace": str(folder / "workspaces"),
                "local_folders": tempfile.gettempdir(),
            },
        }

    @property
    def target(self) -> Target:
        account = self.config.account
        return Target(
            partition="aws",
            region_name=REGION,
            account_id=ACCOUNT,
            bucket=self.bucket,
            prefix=account.prefix,
            model_name=MODEL,
            role_arn=str(account.role_arn),
            kms_key_arn=account.kms_key_id,
            deletes_checkpoints=self.config.retention.delete_checkpoint,
            publishes=self.config.publish is not None,
            sends_events=self.config.publish is not None,
            counts_calls=self.config.publish is not None and self.config.publish.canary is not None,
        )

    @property
    def config(self) -> ModelConfig:
        return parse_model_config(self.values, "test")

    def admin(self, service: str, region: str = REGION) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, **ADMIN)

    def create(self) -> Account:
        """Make everything as the documentation says."""
        self.admin("s3").create_bucket(Bucket=self.bucket)
        iam = self.admin("iam")
        iam.create_role(RoleName=self.role, AssumeRolePolicyDocument=policy(trust_statement(self.target)))
        self.put_role_policy(*(need.statement(need.actions) for need in needs_of_role(self.target)))
        iam.create_user(UserName=self.user)
        self.put_user_policy(ASKING, name="ask")
        self.put_user_policy(*(need.statement(need.actions) for need in needs_of_caller(self.target)))
        key = iam.create_access_key(UserName=self.user)["AccessKey"]
        self.keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return self

    def use_key(self) -> str:
        """Encrypt with a new KMS key that role and user may use; return its ARN."""
        arn = str(self.admin("kms").create_key()["KeyMetadata"]["Arn"])
        self.values["account"]["kms_key_id"] = arn
        self.put_role_policy(*(need.statement(need.actions) for need in needs_of_role(self.target)))
        self.put_user_policy(*(need.statement(need.actions) for need in needs_of_caller(self.target)))
        return arn

    def put_role_policy(self, *statements: Any, name: str = "import") -> None:
        self.admin("iam").put_role_policy(RoleName=self.role, PolicyName=name, PolicyDocument=policy(*statements))

    def put_user_policy(self, *statements: Any, name: str = "run") -> None:
        self.admin("iam").put_user_policy(UserName=self.user, PolicyName=name, PolicyDocument=policy(*statements))

    def keep_role_statements(self, **changes: Any) -> None:
        """Write the role's statements again, without those whose action maps to None, others replaced."""
        self.put_role_policy(*_changed((n.statement(n.actions) for n in needs_of_role(self.target)), changes))

    def keep_user_statements(self, **changes: Any) -> None:
        self.put_user_policy(*_changed((n.statement(n.actions) for n in needs_of_caller(self.target)), changes))

    def trust(self, *statements: Any) -> None:
        self.admin("iam").update_assume_role_policy(RoleName=self.role, PolicyDocument=policy(*statements))

    def clients(self) -> AwsClients:
        return _clients(self.endpoint, self.region, *self.keys.values())

    def errors(self) -> tuple[Finding, ...]:
        """What preflight fails with; empty when it passes."""
        started = time.monotonic()
        clients = self.clients()
        try:
            preflight(self.config, clients, Workspace(self.workspace_uri or str(self.workspace)), self.tags)
            name = f"{MODEL}-0123456789ab"
            inputs = describe_inputs(self.config, clients.s3, clients.sagemaker)
            preflight_content(
                self.config,
                clients,
                Workspace(self.workspace_uri or str(self.workspace)),
                name,
                inputs,
                delivered=False,
            )
        except PreflightFailedError as error:
            return error.findings
        finally:
            self.seconds = time.monotonic() - started
        return ()


@cache
def _clients(endpoint: str, region: str, access_key: str, secret_key: str, token: str | None = None) -> AwsClients:
    twice = Config(retries={"total_max_attempts": 2})
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key, "aws_session_token": token}
    return AwsClients(lambda name: boto3.client(name, endpoint_url=endpoint, region_name=region, config=twice, **keys))


def _changed(statements: Iterator[dict[str, Any]], changes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Statements with the actions (by name after the colon) left out, or allowed by other statements."""
    for statement in statements:
        kept = [action for action in statement["Action"] if action.partition(":")[2] not in changes]
        if kept:
            yield statement | {"Action": kept}
        for action in statement["Action"]:
            if change := changes.get(action.partition(":")[2]):
                yield statement | {"Action": action} | change
