from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError

from include.local_aws.request_validation import validate_input, validation_message

JOB: dict[str, Any] = {
    "jobName": "capitals-1",
    "importedModelName": "capitals-1",
    "roleArn": "arn:aws:iam::123456789012:role/import",
    "modelDataSource": {"s3DataSource": {"s3Uri": "s3://bucket/prefix"}},
}


def job(**changes: Any) -> list[str]:
    return validate_input("bedrock", "CreateModelImportJob", {**JOB, **changes})


def test_a_valid_request_has_no_violation() -> None:
    assert job() == []
    assert validate_input("sts", "GetCallerIdentity", {}) == []


@pytest.mark.parametrize(
    ("changes", "member", "constraint"),
    [
        ({"jobName": None}, "jobName", "Member must not be null"),
        ({"jobName": 7}, "jobName", "Member must be of type string"),
        ({"jobName": True}, "jobName", "Member must be of type string"),
        ({"jobName": ""}, "jobName", "length greater than or equal to 1"),
        ({"jobName": "a" * 64}, "jobName", "length less than or equal to 63"),
        ({"jobName": "a_b"}, "jobName", "Member must satisfy regular expression pattern"),
        ({"importedModelName": "mistral-7b-v0.3"}, "importedModelName", "regular expression pattern"),
        ({"jobTags": [{"key": "a"}]}, "jobTags.1.member.value", "Member must not be null"),
        ({"jobTags": {"key": "a"}}, "jobTags", "Member must be of type list"),
        ({"jobTags": [{"key": "a", "value": "b"}] * 201}, "jobTags", "length less than or equal to 200"),
        ({"modelDataSource": {}}, "modelDataSource", "exactly one of its members"),
        ({"modelDataSource": {"s3DataSource": {}}}, "modelDataSource.s3DataSource.s3Uri", "must not be null"),
        ({"vpcConfig": {"subnetIds": [], "securityGroupIds": ["sg-1"]}}, "vpcConfig.subnetIds", "greater than"),
    ],
)
def test_each_rule_of_the_service_model_is_checked(changes: dict[str, Any], member: str, constraint: str) -> None:
    violations = [violation for violation in job(**changes) if f"at '{member}'" in violation]
    assert any(constraint in violation for violation in violations), job(**changes)


@pytest.mark.parametrize(
    ("params", "constraint"),
    [
        ({"maxResults": 0}, "value greater than or equal to 1"),
        ({"maxResults": 1001}, "value less than or equal to 1000"),
        ({"statusEquals": "Done"}, "enum value set: [InProgress, Completed, Failed]"),
    ],
)
def test_ranges_and_enums_are_checked(params: dict[str, Any], constraint: str) -> None:
    (violation,) = validate_input("bedrock", "ListModelImportJobs", params)
    assert constraint in violation


def test_unicode_classes_of_javas_patterns_are_understood() -> None:
    def tag(value: str) -> list[str]:
        return validate_input("iam", "TagRole", {"RoleName": "role", "Tags": [{"Key": "key", "Value": value}]})

    assert tag("Größe 7") == []
    assert "regular expression pattern" in tag("no!")[0]


def test_a_pattern_that_takes_exponential_time_gives_up_soon() -> None:
    started = time.monotonic()
    assert "regular expression pattern" in job(jobName="a" + "-" * 60 + "_")[0]
    assert time.monotonic() - started < 30


def test_a_sensitive_value_is_not_repeated() -> None:
    (violation,) = validate_input("iam", "ChangePassword", {"OldPassword": "x" * 129, "NewPassword": "fine"})
    assert "***" in violation
    assert "xxx" not in violation


def test_unknown_members_are_ignored_as_the_services_do() -> None:
    assert job(unknown="member") == []


def test_unknown_services_and_operations_are_errors_of_the_caller() -> None:
    with pytest.raises(UnknownServiceError):
        validate_input("no-such-service", "Anything", {})
    with pytest.raises(OperationNotFoundError):
        validate_input("bedrock", "StopModelImportJob", {})


def test_the_message_counts_and_joins_the_violations() -> None:
    assert validation_message(["a"]) == "1 validation error detected: a"
    assert validation_message(["a", "b"]) == "2 validation errors detected: a; b"
