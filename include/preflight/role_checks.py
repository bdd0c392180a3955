"""Check that the import role exists, that Bedrock may assume it, and that it may read the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from include.preflight.asking import Check, guarded
from include.preflight.findings import Finding, statement_text
from include.preflight.permissions import BEDROCK_PRINCIPAL, Need, Target, trust_statement
from include.preflight.simulation import Subject, allows_assuming, check_needs

CHECK = "import role"
_DEPLOY = "Correct model_import_role_arn, or deploy include/cloudformation/model_import.yaml, which makes one."


def check_role(iam: Any, target: Target, subject: Subject, needs: Iterable[Need]) -> Check[bool]:
    """Yield problems of the import role; return whether it is a role of the account."""
    role_arn = target.role_arn
    account = role_arn.split(":")[4]
    if account != target.account_id:
        found = f"it belongs to account {account}, the run uses account {target.account_id}"
        yield Finding("error", CHECK, role_arn, found, "Use a role of the same account: Bedrock takes no other.")
        return False
    try:
        role = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        yield Finding("error", CHECK, role_arn, "there is no such role", _DEPLOY)
        return False
    if role["Arn"] != role_arn:
        yield Finding("error", CHECK, role_arn, f"the role's ARN is {role['Arn']}", "Use that ARN.")
        return False
    trust = role["AssumeRolePolicyDocument"]
    yield from guarded("trust policy", role_arn, "iam:SimulateCustomPolicy", _check_trust(iam, target, trust))
    asked = check_needs(iam, subject, needs)
    yield from guarded(subject.check, role_arn, "iam:SimulatePrincipalPolicy", asked)
    return True


def _check_trust(iam: Any, target: Target, document: dict[str, Any]) -> Check[None]:
    concerned = [statement for statement in _listed(document.get("Statement", [])) if _names_bedrock(statement)]
    expected = statement_text(trust_statement(target))
    if not concerned:
        found = f"no statement names the service {BEDROCK_PRINCIPAL}"
        yield Finding("error", "trust policy", target.role_arn, found, f"Add to its trust policy: {expected}")
        return
    own_job = {"aws:SourceAccount": target.account_id, "aws:SourceArn": target.arn("bedrock", "model-import-job/own")}
    if not allows_assuming(iam, concerned, own_job):
        asked = " and ".join(f"{key} {value}" for key, value in own_job.items())
        found = f"{BEDROCK_PRINCIPAL} may not call sts:AssumeRole with {asked}"
        remedy = f"Correct its statements about {BEDROCK_PRINCIPAL}; this one fits: {expected}"
        yield Finding("error", "trust policy", target.role_arn, found, remedy)
        return
    others_job = {name: value.replace(target.account_id, "000000000000") for name, value in own_job.items()}
    if allows_assuming(iam, concerned, others_job):
        found = "import jobs of any account may assume it (the confused-deputy problem)"
        remedy = f"Replace the statement about {BEDROCK_PRINCIPAL} by: {expected}"
        yield Finding("warning", "trust policy", target.role_arn, found, remedy)


def _names_bedrock(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        return principal == "*"
    return bool({BEDROCK_PRINCIPAL, "*"} & set(_listed(principal.get("Service", []))))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
