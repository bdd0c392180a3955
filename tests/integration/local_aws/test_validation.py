"""Requests of moto's services that the service refuses and moto would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Any


@pytest.mark.parametrize(
    ("service", "method", "arguments", "code", "member"),
    [
        ("iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": "{}"}, "ValidationError", "roleName"),
        ("iam", "create_role", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": "{}"}, "ValidationError", "roleName"),
        ("kms", "create_key", {"KeyUsage": "WRITE"}, "ValidationException", "keyUsage"),
        (
            "sagemaker",
            "create_model_package_group",
            {"ModelPackageGroupName": "a_b"},
            "ValidationException",
            "modelPackageGroupName",
        ),
        (
            "sagemaker",
            "create_model_package_group",
            {"ModelPackageGroupName": "a", "Tags": [{"Key": "k", "Value": "v" * 257}]},
            "ValidationException",
            "tags.1.member.value",
        ),
        ("sagemaker", "list_model_packages", {"SortBy": "Size"}, "ValidationException", "sortBy"),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": ":AWS/Mine", "MetricData": [{"MetricName": "m", "Value": 1.0}]},
            "InvalidParameterValue",
            "namespace",
        ),
        (
            "cloudformation",
            "create_change_set",
            {"StackName": "stack", "ChangeSetName": "1 set", "TemplateBody": "{}"},
            "ValidationError",
            "changeSetName",
        ),
        ("sts", "assume_role", {"RoleArn": "r" * 20, "RoleSessionName": "a b"}, "ValidationError", "roleSessionName"),
    ],
)
def test_a_request_outside_of_the_service_model_is_refused_naming_the_member(
    client: Callable[[str], Client], service: str, method: str, arguments: dict[str, Any], code: str, member: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client(service), method)(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert f"at '{member}' failed to satisfy constraint" in caught.value.response["Error"]["Message"]
