"""Check the role of training jobs, and whether the caller may start jobs with it."""

from __future__ import annotations

from typing import Any

from include.aws.clients import AwsClients
from include.preflight.account_checks import check_caller, resource_policies
from include.preflight.asking import Check, guarded
from include.preflight.caller import Identity
from include.preflight.role_checks import Trust, check_trust, find_role
from include.preflight.simulation import Subject, check_needs
from include.preflight.training_permissions import (
    SAGEMAKER_PRINCIPAL,
    TrainingTarget,
    needs_of_training_caller,
    needs_of_training_role,
)

CHECK = "training role"
_DEPLOY = (
    "Correct model_import_training_role_arn, or deploy include/cloudformation/model_import.yaml with FineTuning=true, "
    "which makes one."
)


def check_permissions(clients: AwsClients, target: TrainingTarget, identity: Identity) -> Check[None]:
    """Yield what the role of training jobs and the caller lack."""
    asked = resource_policies(clients, target.bucket, None)
    policies = yield from guarded("resource policies", target.bucket, "s3:GetBucketPolicy", asked)
    if policies is None:
        return  # what these policies may allow would be taken for missing
    role = check_training_role(clients.iam, target, Subject("training role permissions", target.role_arn, policies))
    found = yield from guarded(CHECK, target.role_arn, "iam:GetRole", role)
    needs = [
        need for need in needs_of_training_caller(target) if found is not False or need.resource != target.role_arn
    ]
    caller = check_caller(clients, identity, policies, needs)
    yield from guarded("caller permissions", identity.arn, "iam:SimulatePrincipalPolicy", caller)


def check_training_role(iam: Any, target: TrainingTarget, subject: Subject) -> Check[bool]:
    """Yield problems of the role of training jobs; return whether it is a role of the account."""
    role_arn = target.role_arn
    role = yield from find_role(iam, CHECK, role_arn, target.account_id, _DEPLOY)
    if role is None:
        return False
    trust = check_trust(iam, training_trust(target), role["AssumeRolePolicyDocument"])
    yield from guarded("trust policy", role_arn, "iam:SimulateCustomPolicy", trust)
    needs = check_needs(iam, subject, needs_of_training_role(target))
    yield from guarded(subject.check, role_arn, "iam:SimulatePrincipalPolicy", needs)
    return True


def training_trust(target: TrainingTarget) -> Trust:
    """Return who may assume the role: training jobs of this account alone."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": SAGEMAKER_PRINCIPAL},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": target.account_id},
            "ArnLike": {"aws:SourceArn": target.jobs("*")},
        },
    }
    own_job = {"aws:SourceAccount": target.account_id, "aws:SourceArn": target.jobs("own")}
    return Trust(target.role_arn, SAGEMAKER_PRINCIPAL, target.account_id, own_job, statement, "training jobs")
