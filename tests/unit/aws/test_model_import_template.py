from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint
from cfnlint.decode.cfn_yaml import loads
from moto import mock_aws

from include.config import AccountConfig
from include.naming import check_role_arn

TEMPLATE = (Path(__file__).parents[3] / "include/aws/model_import.yaml").read_text(encoding="utf-8")
ACCOUNT = "123456789012"
REGION = "us-east-1"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..S3..BucketPolicy:UserWarning")


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def deploy(**parameters: str) -> dict[str, str]:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName="model-import",
        TemplateBody=TEMPLATE,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    [stack] = cloudformation.describe_stacks(StackName="model-import")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def role_statements(role_arn: str) -> dict[str, Any]:
    iam, role = client("iam"), role_arn.rpartition("/")[2]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return {statement["Sid"]: statement for document in documents for statement in document["Statement"]}


def resource_properties(name: str) -> dict[str, Any]:
    return loads(TEMPLATE)["Resources"][name]["Properties"]


def parameter_pattern(name: str) -> str:
    return loads(TEMPLATE)["Parameters"][name]["AllowedPattern"]


def test_cfn_lint_finds_nothing_wrong() -> None:
    assert [str(match) for match in lint(TEMPLATE)] == []


def test_every_output_names_the_airflow_variable_that_it_fills() -> None:
    outputs = loads(TEMPLATE)["Outputs"].values()
    variables = {output["Description"].rpartition("Airflow Variable model_import_")[2] for output in outputs}
    assert len(variables) == len(outputs)
    assert variables <= set(AccountConfig.model_fields)


def test_a_stack_without_parameters_gives_a_bucket_and_a_role_that_the_configuration_accepts() -> None:
    outputs = deploy()
    assert sorted(outputs) == ["BucketName", "ImportRoleArn", "Prefix", "Region"]
    assert outputs["Prefix"] == "models"
    assert outputs["Region"] == REGION
    assert check_role_arn(outputs["ImportRoleArn"])
    assert client("s3").head_bucket(Bucket=outputs["BucketName"])


def test_the_bucket_gets_the_name_asked_for() -> None:
    assert deploy(BucketName="team-models")["BucketName"] == "team-models"


def test_only_bedrock_import_jobs_of_this_account_and_region_may_take_the_role() -> None:
    role_name = deploy()["ImportRoleArn"].rpartition("/")[2]
    [statement] = client("iam").get_role(RoleName=role_name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-import-job/*"},
    }


def test_the_role_may_list_and_read_the_prefix_and_nothing_else() -> None:
    statements = role_statements(deploy(BucketName="team-models", Prefix="llm/imports")["ImportRoleArn"])
    own_account = {"aws:ResourceAccount": ACCOUNT}
    assert {sid: (statement["Action"], statement["Resource"]) for sid, statement in statements.items()} == {
        "ListTheCheckpoints": ("s3:ListBucket", "arn:aws:s3:::team-models"),
        "ReadTheCheckpoints": ("s3:GetObject", "arn:aws:s3:::team-models/llm/imports/*"),
    }
    assert statements["ReadTheCheckpoints"]["Condition"] == {"StringEquals": own_account}
    assert statements["ListTheCheckpoints"]["Condition"] == {
        "StringEquals": own_account,
        "StringLike": {"s3:prefix": ["llm/imports", "llm/imports/*"]},
    }


def test_a_kms_key_encrypts_the_bucket_and_the_role_may_decrypt_with_it() -> None:
    outputs = deploy(KmsKeyArn=KEY_ARN)
    assert outputs["KmsKeyArn"] == KEY_ARN
    statement = role_statements(outputs["ImportRoleArn"])["DecryptTheCheckpoints"]
    assert (statement["Action"], statement["Resource"]) == (["kms:Decrypt", "kms:DescribeKey"], KEY_ARN)
    assert encryption_of(outputs["BucketName"]) == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY_ARN}


def test_without_a_key_the_bucket_encrypts_with_s3s_own() -> None:
    assert encryption_of(deploy()["BucketName"]) == {"SSEAlgorithm": "AES256"}


def encryption_of(bucket: str) -> dict[str, str]:
    [rule] = client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    return rule["ApplyServerSideEncryptionByDefault"]


@pytest.mark.parametrize("prefix", ["/models", "models/", "a//b", "a=b", "a b", ""])
def test_a_prefix_that_bedrock_would_refuse_later_does_not_fit_its_parameter(prefix: str) -> None:
    assert re.fullmatch(parameter_pattern("Prefix"), prefix) is None


def test_a_key_is_given_by_its_arn_since_policies_do_not_follow_aliases() -> None:
    assert re.fullmatch(parameter_pattern("KmsKeyArn"), KEY_ARN)
    assert re.fullmatch(parameter_pattern("KmsKeyArn"), KEY_ARN.replace(":key/", ":alias/")) is None


# moto's CloudFormation leaves these parts of a bucket out, so they are read from the template.


def test_the_bucket_is_private_and_owned_by_its_account_alone() -> None:
    properties = resource_properties("Bucket")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_abandoned_uploads_are_removed_after_a_week() -> None:
    [rule] = resource_properties("Bucket")["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_requests_without_tls_are_denied_on_the_bucket_and_its_objects() -> None:
    policy = resource_properties("BucketPolicy")["PolicyDocument"]
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [next(iter(resource.values())) for resource in statement["Resource"]] == [
        "arn:${AWS::Partition}:s3:::${Bucket}",
        "arn:${AWS::Partition}:s3:::${Bucket}/*",
    ]
