"""Templates of buckets, roles and keys, deployed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Any
TEMPLATE = Path(__file__).resolve().parents[3] / "include" / "cloudformation" / "model_import.yaml"
DENY_WITHOUT_TLS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


@pytest.fixture
def stack(client: Callable[[str], Client]) -> Stack:
    return Stack(client("cloudformation"))


class Stack:
    """One stack, with its outputs."""

    def __init__(self, cloudformation: Client) -> None:
        self.cloudformation, self.name = cloudformation, f"stack-{uuid.uuid4().hex[:8]}"

    def deploy(self, template: str | dict[str, Any], update: bool = False) -> dict[str, str]:
        body = template if isinstance(template, str) else json.dumps(template)
        act = self.cloudformation.update_stack if update else self.cloudformation.create_stack
        act(StackName=self.name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        (described,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        assert described["StackStatus"] == ("UPDATE_COMPLETE" if update else "CREATE_COMPLETE")
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def test_the_projects_template_makes_the_bucket_and_role_it_describes(
    client: Callable[[str], Client], s3: Client, stack: Stack
) -> None:
    outputs = stack.deploy(TEMPLATE.read_text())
    bucket = outputs["BucketName"]
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    uploads, versions, workspace = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert versions["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert (workspace["Status"], workspace["Expiration"]["Days"]) == ("Disabled", 7)
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.put_object(Bucket=bucket, Key="models/key", Body=b"the policy lets this in")
    assert s3.get_object(Bucket=bucket, Key="models/key")["Body"].read()
    role = client("iam").get_role(RoleName=outputs["ImportRoleArn"].rpartition("/")[2])["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "bedrock.amazonaws.com"}


def test_an_updated_template_changes_what_it_made(client: Callable[[str], Client], s3: Client, stack: Stack) -> None:
    bucket = stack.deploy(TEMPLATE.read_text())["BucketName"]
    changed = TEMPLATE.read_text().replace("DaysAfterInitiation: 7", "DaysAfterInitiation: 3")
    stack.deploy(changed.replace("RefuseWithoutTls", "Renamed"), update=True)
    uploads, *_ = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}
    assert "Renamed" in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_a_deleted_stack_leaves_what_it_retains(s3: Client, stack: Stack) -> None:
    bucket = stack.deploy(TEMPLATE.read_text())["BucketName"]
    stack.cloudformation.delete_stack(StackName=stack.name)
    s3.head_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)


def role_template(actions: list[str], service: str) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": actions, "Resource": {"Fn::GetAtt": ["Key", "Arn"]}}
    role = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "Policies": [{"PolicyName": "use", "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}}],
    }
    key = {"Description": "of a test", "KeyPolicy": {"Version": "2012-10-17", "Statement": []}}
    return {
        "Resources": {
            "Key": {"Type": "AWS::KMS::Key", "Properties": key},
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        },
        "Outputs": {"Role": {"Value": {"Ref": "Role"}}, "Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}}},
    }


def test_a_roles_inline_policies_and_trust_are_deployed_and_updated(
    client: Callable[[str], Client], stack: Stack
) -> None:
    iam, outputs = client("iam"), stack.deploy(role_template(["kms:Decrypt"], "bedrock.amazonaws.com"))
    policy = iam.get_role_policy(RoleName=outputs["Role"], PolicyName="use")["PolicyDocument"]
    assert policy["Statement"][0]["Action"] == ["kms:Decrypt"]
    assert policy["Statement"][0]["Resource"] == outputs["Key"]
    assert client("kms").describe_key(KeyId=outputs["Key"])["KeyMetadata"]["Description"] == "of a test"
    stack.deploy(role_template(["kms:Encrypt"], "sagemaker.amazonaws.com"), update=True)
    policy = iam.get_role_policy(RoleName=outputs["Role"], PolicyName="use")["PolicyDocument"]
    trust = iam.get_role(RoleName=outputs["Role"])["Role"]["AssumeRolePolicyDocument"]
    assert policy["Statement"][0]["Action"] == ["kms:Encrypt"]
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        ({"Type": "AWS::CloudWatch::CompositeAlarm"}, "Thing: AWS::CloudWatch::CompositeAlarm"),
        (
            {"Type": "AWS::S3::Bucket", "Properties": {"LoggingConfiguration": {}}},
            "Thing: AWS::S3::Bucket.LoggingConfiguration",
        ),
    ],
)
def test_a_template_that_asks_for_more_than_is_emulated_is_refused_before_anything_is_made(
    s3: Client, stack: Stack, resource: dict[str, Any], named: str
) -> None:
    name = f"made-with-{stack.name}"
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    with pytest.raises(ClientError, match=named):
        stack.deploy({"Resources": {"Bucket": bucket, "Thing": resource}})
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=name)


def test_an_object_that_arrives_is_told_once(client: Callable[[str], Client], s3: Client, stack: Stack) -> None:
    name = f"watched-{stack.name}"
    event = {
        "Event": "s3:ObjectCreated:*",
        "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
        "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}},
    }
    bucket = {"BucketName": name, "NotificationConfiguration": {"QueueConfigurations": [event]}}
    stack.deploy(
        {
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}},
                "Bucket": {"Type": "AWS::S3::Bucket", "Properties": bucket},
            }
        }
    )
    place = {"Bucket": name, "Key": "in/parts"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    part = {"PartNumber": 1, "ETag": s3.upload_part(**place, PartNumber=1, Body=b"part")["ETag"]}
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [part]})
    s3.put_object(Bucket=name, Key="out/of/sight", Body=b"")
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    records = [record for message in messages for record in json.loads(message["Body"]).get("Records", [])]
    assert [record["eventName"] for record in records] == ["ObjectCreated:CompleteMultipartUpload"]


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (DENY_WITHOUT_TLS["Statement"][0], True),
        ({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}, False),
    ],
)
def test_a_bucket_policy_denies_what_its_conditions_cover(
    s3: Client, bucket: str, statement: dict[str, Any], allowed: bool
) -> None:
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    if allowed:
        s3.put_object(Bucket=bucket, Key="key", Body=b"")
    else:
        with pytest.raises(ClientError, match="403"):
            s3.put_object(Bucket=bucket, Key="key", Body=b"")


def test_alarms_budgets_and_the_policies_of_queues_and_topics_are_made_and_deleted(
    client: Callable[[str], Client], stack: Stack
) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    query = {"Id": "q", "Expression": 'SELECT SUM(Errors) FROM SCHEMA("Own", Model)', "Period": 60}
    alarm = {"Metrics": [query], "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 3}
    limit = {"BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": 5, "Unit": "USD"}}
    topics, queues = {"Topics": [{"Ref": "Topic"}]}, {"Queues": [{"Ref": "Queue"}]}
    outputs = stack.deploy(
        {
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
                "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
                "QueuePolicy": {"Type": "AWS::SQS::QueuePolicy", "Properties": queues | {"PolicyDocument": policy}},
                "TopicPolicy": {"Type": "AWS::SNS::TopicPolicy", "Properties": topics | {"PolicyDocument": policy}},
                "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm | {"AlarmActions": [{"Ref": "Topic"}]}},
                "Budget": {"Type": "AWS::Budgets::Budget", "Properties": {"Budget": limit}},
            },
            "Outputs": {name: {"Value": {"Ref": name}} for name in ("Queue", "Topic", "Alarm", "Budget")},
        }
    )
    sqs, sns, cloudwatch = client("sqs"), client("sns"), client("cloudwatch")
    attributes = sqs.get_queue_attributes(QueueUrl=outputs["Queue"], AttributeNames=["Policy"])["Attributes"]
    assert json.loads(attributes["Policy"]) == policy
    assert json.loads(sns.get_topic_attributes(TopicArn=outputs["Topic"])["Attributes"]["Policy"]) == policy
    [made] = cloudwatch.describe_alarms(AlarmNames=[outputs["Alarm"]])["MetricAlarms"]
    assert (made["Threshold"], made["AlarmActions"]) == (3.0, [outputs["Topic"]])
    assert made["Metrics"][0]["Expression"] == query["Expression"]
    budget = {"AccountId": "123456789012", "BudgetName": outputs["Budget"]}
    assert client("budgets").describe_budget(**budget)["Budget"]["BudgetLimit"]["Amount"] == "5"
    stack.cloudformation.delete_stack(StackName=stack.name)
    assert cloudwatch.describe_alarms(AlarmNames=[outputs["Alarm"]])["MetricAlarms"] == []
    with pytest.raises(ClientError, match="NotFoundException"):
        client("budgets").describe_budget(**budget)
