"""Check that the role of training jobs exists, and that SageMaker may assume it."""

from __future__ import annotations

from typing import Any

from include.preflight.asking import Check, guarded
from include.preflight.caller import Identity
from include.preflight.role_checks import Trust, check_trust, find_role

SAGEMAKER_PRINCIPAL = "sagemaker.amazonaws.com"
CHECK = "training role"
_DEPLOY = (
    "Correct model_import_training_role_arn, or deploy include/cloudformation/model_import.yaml with FineTuning=true, "
    "which makes one."
)


def check_training_role(iam: Any, role_arn: str, identity: Identity, region_name: str) -> Check[None]:
    """Yield problems of the role of training jobs: whether there is one, in this account, that SageMaker may assume."""
    role = yield from find_role(iam, CHECK, role_arn, identity.account_id, _DEPLOY)
    if role is None:
        return
    trust = training_trust(role_arn, identity, region_name)
    asked = check_trust(iam, trust, role["AssumeRolePolicyDocument"])
    yield from guarded("trust policy", role_arn, "iam:SimulateCustomPolicy", asked)


def training_trust(role_arn: str, identity: Identity, region_name: str) -> Trust:
    """Return who may assume the role: training jobs of this account alone."""
    jobs = f"arn:{identity.partition}:sagemaker:{region_name}:{identity.account_id}:training-job/"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": SAGEMAKER_PRINCIPAL},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": identity.account_id},
            "ArnLike": {"aws:SourceArn": f"{jobs}*"},
        },
    }
    own_job = {"aws:SourceAccount": identity.account_id, "aws:SourceArn": f"{jobs}own"}
    return Trust(role_arn, SAGEMAKER_PRINCIPAL, identity.account_id, own_job, statement, "training jobs")
