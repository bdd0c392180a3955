"""Evaluation jobs on the stand-in: the role that they have, and waiting for their end."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.bedrock_stand_in import PATIENCE, Aws, trust_of

EVALUATOR = "example.evaluator-v1:0"
RIGHTS = ("bedrock:InvokeModel", "s3:GetObject", "s3:PutObject", "s3:ListBucket")
TRUST = trust_of("evaluation-job")


def create_evaluation_role(aws: Aws, name: str, without: str = "") -> str:
    """A role that evaluation jobs may assume, with everything that they need except one right."""
    iam = aws.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
    statement = {"Effect": "Allow", "Action": [right for right in RIGHTS if right != without], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="evaluates", PolicyDocument=policy)
    return arn


def ended(aws: Aws, arn: str) -> dict[str, Any]:
    """The job once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        job: dict[str, Any] = aws.client("bedrock").get_evaluation_job(jobIdentifier=arn)
        if job["status"] not in ("InProgress", "Stopping"):
            return job
        time.sleep(0.05)
    raise TimeoutError(arn)
