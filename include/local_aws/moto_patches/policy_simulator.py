"""Corrections of moto's IAM and STS: the policy simulator, and who an unknown access key is.

moto has neither SimulatePrincipalPolicy nor SimulateCustomPolicy. Its own evaluation of policies is not used for them:
that knows no condition operator but StringEquals, and takes a condition that does not hold for a denial, so it would
answer wrongly about `s3:prefix` and `ArnLike`. The evaluation here is the one that import jobs are held to.

An access key that belongs to no user is, for moto, `arn:aws:sts::<account>:user/moto`, a form that AWS does not have.
Such a key may do everything: it is the account's root user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException, ValidationError
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse
from moto.sts.models import STSBackend

from include.local_aws.aws_errors import AwsError
from include.local_aws.bedrock.access_policy import AccessRequest, UnsupportedConditionError, is_allowed, is_denied

NO_USER = ":user/moto"


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """SimulatePrincipalPolicy: the policies of a user, group or role, with its permissions boundary."""
    policies, boundary = policies_of(self.backend, self._get_param("PolicySourceArn"))
    return _simulated(self, [*policies, *self._get_param("PolicyInputList", [])], boundary)


def simulate_custom_policy(self: IamResponse) -> ActionResult:
    """SimulateCustomPolicy: the policies of the request."""
    return _simulated(self, self._get_param("PolicyInputList", []), None)


def get_caller_identity(self: STSBackend, access_key_id: str, region: str) -> tuple[str, str, str]:
    """GetCallerIdentity; an unknown key is the root user's."""
    user_id, arn, account_id = _moto_caller_identity(self, access_key_id, region)
    if not arn.endswith(NO_USER):
        return user_id, arn, account_id
    return account_id, f"arn:{self.partition}:iam::{account_id}:root", account_id


_moto_caller_identity = STSBackend.get_caller_identity


def install() -> None:
    """Give IAM a policy simulator, and STS a root user."""
    IamResponse.simulate_principal_policy = simulate_principal_policy
    IamResponse.simulate_custom_policy = simulate_custom_policy
    STSBackend.get_caller_identity = get_caller_identity


def _simulated(response: IamResponse, policies: list[str], boundary: str | None) -> ActionResult:
    context = {entry["ContextKeyName"]: _value(entry) for entry in response._get_param("ContextEntries", [])}
    resources = response._get_param("ResourceArns", ["*"])
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision(policies, boundary, AccessRequest(action, resource, context=context)),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in response._get_param("ActionNames", [])
        for resource in resources
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def decision(policies: list[str], boundary: str | None, request: AccessRequest) -> str:
    """Return allowed, implicitDeny or explicitDeny, as IAM's simulator names them."""
    limits = [boundary] if boundary is not None else []
    try:
        if is_denied([*policies, *limits], request):
            return "explicitDeny"
        allowed = is_allowed(policies, request) and (not limits or is_allowed(limits, request))
    except UnsupportedConditionError as error:
        raise AwsError("NotImplemented", f"A policy cannot be simulated: {error}.") from error
    return "allowed" if allowed else "implicitDeny"


def _value(entry: Mapping[str, Any]) -> str:
    values = entry.get("ContextKeyValues", [])
    if len(values) != 1:
        raise AwsError("NotImplemented", f"{entry['ContextKeyName']} has {len(values)} values: the stand-in takes one.")
    return str(values[0])


def policies_of(backend: IAMBackend, arn: str) -> tuple[list[str], str | None]:
    """Return the policies of a user, group or role, and its permissions boundary."""
    kind, _, path = arn.rpartition(":")[2].partition("/")
    name = path.rpartition("/")[2]
    match kind:
        case "user":
            user: Any = backend.get_user(name)
            groups = [policy for group in backend.get_groups_for_user(name) for policy in _attached(group)]
            return [*_attached(user), *groups], None
        case "role":
            role: Any = backend.get_role(name)
            return _attached(role), _boundary(backend, role.permissions_boundary_arn)
        case "group":
            return _attached(backend.get_group(name)), None
    raise ValidationError(f"Invalid Entity Arn: {arn} is no user, group or role, and cannot be simulated.")


def _boundary(backend: IAMBackend, arn: str | None) -> str | None:
    if not arn:
        return None
    try:
        return _document(backend.get_policy(arn))
    except NotFoundException:
        return None


def _attached(holder: Any) -> list[str]:
    return [*holder.policies.values(), *map(_document, holder.managed_policies.values())]


def _document(policy: Any) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))
