"""Requests with a key that IAM gave out are held to the policies of its user or role."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from tests.integration.local_aws.conftest import ONCE
from tests.support.local_aws_process import OWN_HEADERS, LocalAwsProcess
from tests.support.training_jobs import request

Client = Any
ACCOUNT = "123456789012"


def allow(action: str, resource: str = "*", **condition: dict[str, str]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class User:
    """A user of IAM, with a key and the policies that a test gives it."""

    def __init__(self, iam: Client, endpoint_url: str) -> None:
        self.iam, self.endpoint_url, self.name = iam, endpoint_url, f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=self.name)
        self.key = iam.create_access_key(UserName=self.name)["AccessKey"]

    def may(self, *statements: dict[str, Any]) -> User:
        self.iam.put_user_policy(UserName=self.name, PolicyName="test", PolicyDocument=document(*statements))
        return self

    def client(self, service: str, **keys: str) -> Client:
        keys = keys or {
            "aws_access_key_id": self.key["AccessKeyId"],
            "aws_secret_access_key": self.key["SecretAccessKey"],
        }
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.endpoint_url, config=ONCE, **keys)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/{self.name}"


@pytest.fixture
def user(client: Callable[[str], Client], local_aws: LocalAwsProcess) -> User:
    return User(client("iam"), local_aws.endpoint_url)


def denied(call: Callable[..., Any], **arguments: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    error: dict[str, str] = refused.value.response["Error"]
    return error


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "action", "code"),
    [
        ("s3", "list_objects_v2", {"Bucket": "{bucket}"}, "s3:ListBucket", "AccessDenied"),
        ("s3", "put_object", {"Bucket": "{bucket}", "Key": "k", "Body": b"x"}, "s3:PutObject", "AccessDenied"),
        ("bedrock", "list_imported_models", {}, "bedrock:ListImportedModels", "AccessDeniedException"),
        (
            "sagemaker", "create_model_package_group", {"ModelPackageGroupName": "g"},
            "sagemaker:CreateModelPackageGroup", "AccessDeniedException",
        ),
        ("iam", "get_role", {"RoleName": "somebody"}, "iam:GetRole", "AccessDenied"),
        ("sns", "publish", {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:t", "Message": "m"}, "sns:Publish",
         "AuthorizationError"),
        ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.0}]},
         "cloudwatch:PutMetricData", "AccessDenied"),
    ],
)  # fmt: skip
def test_a_user_without_policies_may_do_nothing_and_is_told_the_action(
    user: User, bucket: str, service: str, operation: str, arguments: dict[str, Any], action: str, code: str
) -> None:
    given = {name: bucket if value == "{bucket}" else value for name, value in arguments.items()}
    error = denied(getattr(user.client(service), operation), **given)
    assert error["Code"] == code
    assert f"User: {user.arn} is not authorized to perform: {action} on resource: " in error["Message"]


def test_everybody_may_ask_who_they_are(user: User) -> None:
    assert user.client("sts").get_caller_identity()["Arn"] == user.arn


def test_a_policy_allows_its_resources_under_its_conditions_only(user: User, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="in/key", Body=b"")
    listing = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", StringLike={"s3:prefix": "in/*"})
    own = user.may(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/in/*"), listing).client("s3")
    own.get_object(Bucket=bucket, Key="in/key")
    own.list_objects_v2(Bucket=bucket, Prefix="in/")
    denied(own.get_object, Bucket=bucket, Key="out/key")
    denied(own.list_objects_v2, Bucket=bucket)


def test_who_may_not_list_is_not_told_that_an_object_is_missing(user: User, bucket: str) -> None:
    getting = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    error = denied(user.may(getting).client("s3").get_object, Bucket=bucket, Key="missing")
    assert error["Code"] == "AccessDenied"
    user.may(getting, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    with pytest.raises(ClientError, match="NoSuchKey"):
        user.client("s3").get_object(Bucket=bucket, Key="missing")


def test_an_encrypted_object_needs_the_key_too(
    user: User, client: Callable[[str], Client], s3: Client, bucket: str
) -> None:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    objects = allow("s3:*", f"arn:aws:s3:::{bucket}*")
    own = user.may(objects).client("s3")
    assert "kms:GenerateDataKey" in denied(own.put_object, Bucket=bucket, Key="k", Body=b"")["Message"]
    user.may(objects, allow("kms:GenerateDataKey", key))
    own.put_object(Bucket=bucket, Key="k", Body=b"")
    assert "kms:Decrypt" in denied(own.get_object, Bucket=bucket, Key="k")["Message"]


def test_a_deleted_object_of_a_versioned_bucket_is_missing_to_who_may_list(user: User, s3: Client, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    s3.delete_object(Bucket=bucket, Key="k")
    reading = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    assert "s3:ListBucket" in denied(user.may(reading).client("s3").get_object, Bucket=bucket, Key="k")["Message"]
    own = user.may(reading, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")).client("s3")
    with pytest.raises(own.exceptions.NoSuchKey):
        own.get_object(Bucket=bucket, Key="k")


def test_each_key_of_a_deletion_is_decided(user: User, s3: Client, bucket: str) -> None:
    for key in ("in/a", "out/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    own = user.may(allow("s3:DeleteObject", f"arn:aws:s3:::{bucket}/in/*")).client("s3")
    answer = own.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/a"}, {"Key": "out/b"}]})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["in/a"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("out/b", "AccessDenied")]


def test_an_import_needs_the_right_to_pass_its_role(user: User) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/import"
    arguments = {
        "jobName": "job", "importedModelName": "model", "roleArn": role,
        "modelDataSource": {"s3DataSource": {"s3Uri": "s3://bucket/prefix/"}},
    }  # fmt: skip
    create = user.may(allow("bedrock:CreateModelImportJob")).client("bedrock").create_model_import_job
    assert f"iam:PassRole on resource: {role}" in denied(create, **arguments)["Message"]
    passing = allow("iam:PassRole", role, StringEquals={"iam:PassedToService": "bedrock.amazonaws.com"})
    user.may(allow("bedrock:CreateModelImportJob"), passing)
    with pytest.raises(ClientError, match="role ARN is invalid"):
        create(**arguments)


def test_a_training_job_needs_the_right_to_pass_its_role_to_sagemaker_and_to_tag_it(user: User) -> None:
    role, job = f"arn:aws:iam::{ACCOUNT}:role/training", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/team-1"
    arguments = request("team-1", role, "s3://bucket/job", Tags=[{"Key": "model_name", "Value": "team"}])
    starting = allow("sagemaker:CreateTrainingJob", job, Null={"aws:RequestTag/model_name": "false"})
    passing = allow("iam:PassRole", role, StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"})
    tagging = allow("sagemaker:AddTags", job, StringEquals={"sagemaker:TaggingAction": "CreateTrainingJob"})
    create = user.may(starting, tagging).client("sagemaker").create_training_job
    assert f"iam:PassRole on resource: {role}" in denied(create, **arguments)["Message"]
    user.may(starting, tagging, allow("iam:PassRole", role, StringEquals={"iam:PassedToService": "bedrock"}))
    assert f"iam:PassRole on resource: {role}" in denied(create, **arguments)["Message"]
    user.may(starting, passing)
    assert f"sagemaker:AddTags on resource: {job}" in denied(create, **arguments)["Message"]
    user.may(starting, passing, tagging)
    assert "sagemaker:CreateTrainingJob" in denied(create, **arguments | {"Tags": []})["Message"]
    with pytest.raises(ClientError, match="Could not assume role"):
        create(**arguments)


def test_the_session_of_a_role_is_held_to_the_role(user: User, client: Callable[[str], Client], bucket: str) -> None:
    iam, name = client("iam"), f"role-{user.name}"
    trust = document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    session = client("sts").assume_role(RoleArn=arn, RoleSessionName="airflow")["Credentials"]
    own = user.client(
        "s3",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    denied(own.list_objects_v2, Bucket=bucket)
    listing = document(allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    iam.put_role_policy(RoleName=name, PolicyName="list", PolicyDocument=listing)
    own.list_objects_v2(Bucket=bucket)


def test_the_decisions_about_a_caller_can_be_read(user: User, bucket: str, local_aws: LocalAwsProcess) -> None:
    denied(user.client("s3").list_objects_v2, Bucket=bucket, Prefix="p/")
    answer = requests.get(
        f"{local_aws.endpoint_url}/_local_aws/access", params={"caller": user.arn}, headers=OWN_HEADERS, timeout=10
    )
    [decided] = answer.json()["decisions"]
    assert (decided["action"], decided["resource"]) == ("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    assert (decided["caller"], decided["decision"]) == (user.arn, "implicitDeny")
    assert decided["context"]["s3:prefix"] == "p/"
