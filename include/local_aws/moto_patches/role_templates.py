"""CloudFormation of roles.

moto keeps the documents of inline Policies as Python's repr instead of as JSON, leaves out ManagedPolicyArns, and
changes neither trust policy nor Policies when a stack is updated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.models import Role, iam_backends
from moto.utilities.utils import get_partition


def install() -> None:
    """Correct moto's IAM in this process."""
    create, update = Role.create_from_cloudformation_json.__func__, Role.update_from_cloudformation_json.__func__
    Role.create_from_cloudformation_json = classmethod(_created(create))
    Role.update_from_cloudformation_json = classmethod(_updated(update))


def _created(create: Callable[..., Role]) -> Callable[..., Role]:
    def create_role(
        cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **options: Any
    ) -> Role:
        role = create(cls, resource_name, cloudformation_json, account_id, region_name, **options)
        return _with_policies(role, cloudformation_json["Properties"], account_id, region_name)

    return create_role


def _updated(update: Callable[..., Role]) -> Callable[..., Role]:
    def update_role(
        cls: type,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Role:
        role = update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name)
        return _with_policies(role, cloudformation_json["Properties"], account_id, region_name)

    return update_role


def _with_policies(role: Role, properties: dict[str, Any], account_id: str, region_name: str) -> Role:
    role.assume_role_policy_document = _json(properties["AssumeRolePolicyDocument"])
    for policy in properties.get("Policies", []):
        role.put_policy(policy["PolicyName"], _json(policy["PolicyDocument"]))
    backend = iam_backends[account_id][get_partition(region_name)]
    for arn in properties.get("ManagedPolicyArns", []):
        backend.attach_role_policy(arn, role.name)
    return role


def _json(document: Any) -> str:
    """The document as JSON. An unquoted Version is a date in YAML."""
    return document if isinstance(document, str) else json.dumps(document, default=str)
