"""CloudFormation of roles and keys.

moto keeps the documents of a role's inline Policies and of a key's KeyPolicy as Python objects instead of as JSON,
leaves out ManagedPolicyArns, and changes neither trust policy nor Policies when a stack is updated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.models import Role, iam_backends
from moto.kms.models import KmsBackend
from moto.utilities.utils import get_partition


def install() -> None:
    """Correct moto's IAM and KMS in this process."""
    create, update = Role.create_from_cloudformation_json.__func__, Role.update_from_cloudformation_json.__func__
    Role.create_from_cloudformation_json = classmethod(_created(create))
    Role.update_from_cloudformation_json = classmethod(_updated(update))
    KmsBackend.create_key = _with_json_policy(KmsBackend.create_key)


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


def _with_json_policy(create_key: Callable[..., Any]) -> Callable[..., Any]:
    def create_key_with_json_policy(self: KmsBackend, policy: Any, *args: Any, **options: Any) -> Any:
        return create_key(self, policy and _json(policy), *args, **options)

    return create_key_with_json_policy


def _json(document: Any) -> str:
    """The document as JSON. An unquoted Version is a date in YAML."""
    return document if isinstance(document, str) else json.dumps(document, default=str)
