"""Check that the import role exists, that Bedrock may assume it, and that it may read the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from include.preflight.asking import Check, guarded
from include.preflight.findings import Finding, statement_text
from include.preflight.permissions import BEDROCK_PRINCIPAL, Need, Target, trust_statement
from include.preflight.simulation import Subject, allows_assuming, check_needs

CHECK = "import role"
_DEPLOY = "Correct model_import_role_arn, or deploy include/cloudformation/model_import.yaml, which makes one."


class Trust(NamedTuple):
    """Which service may assume a role, and for whose jobs.

    ``own_job`` are the condition keys of a request for a job of the account; ``statement`` allows just those.
    """

    role_arn: str
    principal: str
    account_id: str
    own_job: dict[str, str]
    statement: dict[str, Any]
    jobs: str


def check_role(iam: Any, target: Target, subject: Subject, needs: Iterable[Need]) -> Check[bool]:
    """Yield problems of the import role; return whether it is a role of the account."""
    role_arn = target.role_arn
    role = yield from find_role(iam, CHECK, role_arn, target.account_id, _DEPLOY)
    if role is None:
        return False
    own_job = {"aws:SourceAccount": target.account_id, "aws:SourceArn": target.arn("bedrock", "model-import-job/own")}
    trust = Trust(role_arn, BEDROCK_PRINCIPAL, target.account_id, own_job, trust_statement(target), "import jobs")
    asked_trust = check_trust(iam, trust, role["AssumeRolePolicyDocument"])
    yield from guarded("trust policy", role_arn, "iam:SimulateCustomPolicy", asked_trust)
    asked = check_needs(iam, subject, needs)
    yield from guarded(subject.check, role_arn, "iam:SimulatePrincipalPolicy", asked)
    return True


def find_role(iam: Any, check: str, role_arn: str, account_id: str, remedy: str) -> Check[dict[str, Any] | None]:
    """Yield an error unless the role is one of the account; return GetRole's answer, None where it is not."""
    account = role_arn.split(":")[4]
    if account != account_id:
        found = f"it belongs to account {account}, the run uses account {account_id}"
        yield Finding("error", check, role_arn, found, "Use a role of the same account: the service takes no other.")
        return None
    try:
        role: dict[str, Any] = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        yield Finding("error", check, role_arn, "there is no such role", remedy)
        return None
    if role["Arn"] != role_arn:
        yield Finding("error", check, role_arn, f"the role's ARN is {role['Arn']}", "Use that ARN.")
        return None
    return role


def check_trust(iam: Any, trust: Trust, document: dict[str, Any]) -> Check[None]:
    """Yield an error when the service may not assume the role, a warning when it may for other accounts' jobs too."""
    principal, role_arn = trust.principal, trust.role_arn
    concerned = [each for each in _listed(document.get("Statement", [])) if _names(principal, each)]
    expected = statement_text(trust.statement)
    if not concerned:
        found = f"no statement names the service {principal}"
        yield Finding("error", "trust policy", role_arn, found, f"Add to its trust policy: {expected}")
        return
    if not allows_assuming(iam, concerned, trust.own_job):
        asked = " and ".join(f"{key} {value}" for key, value in trust.own_job.items())
        found = f"{principal} may not call sts:AssumeRole with {asked}"
        remedy = f"Correct its statements about {principal}; this one fits: {expected}"
        yield Finding("error", "trust policy", role_arn, found, remedy)
        return
    others_job = {name: value.replace(trust.account_id, "000000000000") for name, value in trust.own_job.items()}
    if allows_assuming(iam, concerned, others_job):
        found = f"{trust.jobs} of any account may assume it (the confused-deputy problem)"
        remedy = f"Replace the statement about {principal} by: {expected}"
        yield Finding("warning", "trust policy", role_arn, found, remedy)


def _names(service: str, statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        return principal == "*"
    return bool({service, "*"} & set(_listed(principal.get("Service", []))))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
