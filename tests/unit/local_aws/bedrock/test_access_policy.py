from __future__ import annotations

import json
from typing import Any

import pytest

from include.local_aws.bedrock.access_policy import AccessRequest, UnsupportedConditionError, is_allowed, is_denied

JOB = "arn:aws:bedrock:us-east-1:123456789012:model-import-job/abcdefghijkl"
LIST = AccessRequest("s3:ListBucket", "arn:aws:s3:::models", context={"s3:prefix": "capitals/"})


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def trust(conditions: dict[str, Any], service: Any = "bedrock.amazonaws.com") -> str:
    return policy(Action="sts:AssumeRole", Principal={"Service": service}, Condition=conditions)


def assume(**context: str) -> AccessRequest:
    return AccessRequest("sts:AssumeRole", principals=("bedrock.amazonaws.com",), context=context)


ASSUME = assume(**{"aws:SourceAccount": "123456789012", "aws:SourceArn": JOB})
SOURCE_ARN = "arn:aws:bedrock:us-east-1:123456789012:model-import-job/*"


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"StringEquals": {"aws:SourceAccount": "123456789012"}, "ArnLike": {"aws:SourceArn": SOURCE_ARN}},
        {"ArnEquals": {"AWS:SourceArn": [SOURCE_ARN, "arn:aws:bedrock:*"]}},
        {"StringNotEquals": {"aws:SourceAccount": "210987654321"}},
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}},
        {"Null": {"aws:SourceArn": "false"}},
    ],
)
def test_a_trust_policy_whose_conditions_hold_admits_bedrock(conditions: dict[str, Any]) -> None:
    assert is_allowed([trust(conditions)], ASSUME)


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringEquals": {"aws:SourceAccount": "210987654321"}},
        {"ArnLike": {"aws:SourceArn": SOURCE_ARN.replace("us-east-1", "us-west-2")}},
        {"StringEquals": {"aws:SourceAccount": "123456789012", "aws:SourceArn": "arn:aws:bedrock:other"}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        {"Null": {"aws:SourceArn": True}},
    ],
)
def test_a_trust_policy_with_a_condition_that_fails_does_not_admit_bedrock(conditions: dict[str, Any]) -> None:
    assert not is_allowed([trust(conditions)], ASSUME)


def test_a_trust_policy_for_another_service_does_not_admit_bedrock() -> None:
    assert not is_allowed([trust({}, ["sagemaker.amazonaws.com", "ec2.amazonaws.com"])], ASSUME)


def test_an_escaped_asterisk_stands_for_itself() -> None:
    models = "arn:aws:bedrock:us-east-1:123456789012:imported-model/"
    only_new = policy(Action="bedrock:TagResource", Resource=f"{models}${{*}}")
    assert is_allowed([only_new], AccessRequest("bedrock:TagResource", f"{models}*"))
    assert not is_allowed([only_new], AccessRequest("bedrock:TagResource", f"{models}abcdefghijkl"))


def test_an_unknown_condition_operator_is_named_instead_of_guessed() -> None:
    with pytest.raises(UnsupportedConditionError, match="DateGreaterThan"):
        is_allowed([trust({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}})], ASSUME)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::models"}, True),
        ({"Action": ["S3:List*"], "Resource": "*"}, True),
        ({"NotAction": "s3:Delete*", "NotResource": "arn:aws:s3:::others"}, True),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::models"}, False),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::mode"}, False),
        ({"Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": "capitals/*"}}}, True),
        ({"Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": "other/*"}}}, False),
    ],
)
def test_action_resource_and_prefix_decide_a_permission(statement: dict[str, Any], allowed: bool) -> None:
    assert is_allowed([policy(**statement)], LIST) is allowed


def test_a_denial_outweighs_every_permission() -> None:
    allow = policy(Action="s3:*", Resource="*")
    deny = policy(Effect="Deny", Action="s3:ListBucket", Resource="*")
    assert not is_allowed([allow, deny], LIST)


def test_a_denial_whose_condition_fails_denies_nothing() -> None:
    insecure_only = policy(
        Effect="Deny",
        Principal="*",
        Action="s3:*",
        Resource=["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
        Condition={"Bool": {"aws:SecureTransport": "false"}},
    )
    request = AccessRequest("s3:GetObject", "arn:aws:s3:::models/x", ("role",), {"aws:SecureTransport": "true"})
    assert not is_denied([insecure_only], request)
