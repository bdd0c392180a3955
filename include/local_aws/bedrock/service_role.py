"""Whether Bedrock may assume the role of an import job, and what the role lets it do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from include.local_aws.bedrock.access_policy import AccessRequest, UnsupportedConditionError, is_allowed, is_denied
from include.local_aws.bedrock.errors import AccessDeniedError, InvalidRequestError
from include.local_aws.bedrock.import_failures import RolePermissionError, UnevaluatedPolicyError
from include.local_aws.bedrock.scope import Scope

SERVICE_PRINCIPAL = "bedrock.amazonaws.com"


def check_assumable(role_arn: str, scope: Scope, job_arn: str) -> None:
    """Raises InvalidRequestError unless the role exists and its trust policy lets Bedrock assume it for this job."""
    if role_arn.split(":")[4] != scope.account_id:
        raise AccessDeniedError(f"Cross-account pass role is not allowed: {role_arn} is not of {scope.account_id}.")
    request = AccessRequest(
        action="sts:AssumeRole",
        principals=(SERVICE_PRINCIPAL,),
        context={"aws:SourceAccount": scope.account_id, "aws:SourceArn": job_arn},
    )
    try:
        trusted = is_allowed([_role(role_arn).assume_role_policy_document], request)
    except NotFoundException as error:
        raise InvalidRequestError(f"The provided role ARN is invalid: {role_arn} does not exist.") from error
    except UnsupportedConditionError as error:
        raise InvalidRequestError(f"The trust policy of {role_arn} cannot be checked: {error}.") from error
    if not trusted:
        raise InvalidRequestError(
            f"The provided role ARN is invalid: the trust policy of {role_arn} does not let {SERVICE_PRINCIPAL} "
            f"assume it for aws:SourceAccount {scope.account_id} and aws:SourceArn {job_arn}."
        )


class RolePermissions:
    """What one role may do, decided from its policies as they are now."""

    def __init__(self, role_arn: str) -> None:
        self.role_arn = role_arn
        self.policies = _permission_policies(role_arn)

    def require(
        self, action: str, resource: str, context: Mapping[str, str], resource_policy: str | None = None
    ) -> None:
        """Raises RolePermissionError unless the role's policies allow the action and the resource's do not deny it."""
        request = AccessRequest(action, resource, (self.role_arn,), context)
        try:
            denied = resource_policy is not None and is_denied([resource_policy], request)
            allowed = not denied and is_allowed(self.policies, request)
        except UnsupportedConditionError as error:
            raise UnevaluatedPolicyError(f"A policy cannot be checked: {error}.") from error
        if not allowed:
            raise RolePermissionError(self.role_arn, action, resource)


def _role(role_arn: str) -> Any:
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    return iam_backends[account][partition].get_role_by_arn(role_arn)


def _permission_policies(role_arn: str) -> list[str]:
    """The role's inline and attached policies; none when the role is gone."""
    try:
        role = _role(role_arn)
    except NotFoundException:
        return []
    versions = (version for policy in role.managed_policies.values() for version in policy.versions)
    return [*role.policies.values(), *(version.document for version in versions if version.is_default)]
