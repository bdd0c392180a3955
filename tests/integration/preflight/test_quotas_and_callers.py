from __future__ import annotations

import itertools
import logging
from pathlib import Path

import pytest

from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import ApprovalStatus, Candidate
from include.run.workspace import PROJECT_ROOT
from tests.support.account import ACCOUNT, ADMIN, ASKING, MODEL, Account, policy, statement_in
from tests.support.bedrock_stand_in import BUCKET, Aws

QUOTA = 3
_numbers = itertools.count()


def fill(aws: Aws, base: Path, group: str, *statuses: ApprovalStatus) -> list[str]:
    """Import as many models as there may be, and register a version of each."""
    uri = aws.upload(base, f"full/{group}")
    names = [f"{group}-{next(_numbers)}" for _ in range(QUOTA)]
    for name, status in zip(names, statuses, strict=True):
        tags = [{"key": "model_name", "value": group}, {"key": "fingerprint", "value": name}]
        arn = aws.import_model(uri, name, importedModelTags=tags)
        version = Candidate(
            group=group, description="", fingerprint=name, imported_model_arn=arn, scores={}, dataset_digest="d",
            report_uri=f"s3://{BUCKET}/report.json", status=status, provenance={},
        )  # fmt: skip
        SageMakerRegistry(aws.client("sagemaker")).register(version)
    return names


def test_a_quota_full_of_approved_versions_fails_naming_what_the_policy_would_delete(
    account: Account, aws: Aws, base: Path
) -> None:
    account.values["retention"] = {"keep": 2}
    oldest = fill(aws, base, MODEL, "Approved", "Approved", "Approved")[0]
    [finding] = account.errors()
    assert finding.check == "imported models"
    assert f"the quota is {QUOTA}" in finding.found
    assert f"Set retention.make_room in the file of {MODEL}: its next run then deletes {oldest}." in finding.remedy
    account.values["retention"] = {"keep": 2, "make_room": True}
    assert account.errors() == ()


def test_a_quota_full_of_rejected_versions_passes_and_says_which_one_will_go(
    account: Account, aws: Aws, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = fill(aws, base, MODEL, "Approved", "Rejected", "Rejected")
    with caplog.at_level(logging.INFO):
        assert account.errors() == ()
    assert f"Before the import, the run deletes {names[1]} (version " in caplog.text


def test_a_quota_filled_by_models_whose_versions_the_caller_may_not_read_fails_until_one_is_deleted(
    account: Account, aws: Aws, base: Path
) -> None:
    account.values["retention"] = {"keep": 1, "make_room": True}
    names = fill(aws, base, "rivers", "Approved", "Rejected", "PendingManualApproval")
    [finding] = account.errors()
    assert all(name in finding.found for name in names)
    assert "Trigger retire_imported_models with model_name rivers: it shows what could go." in finding.remedy
    aws.client("bedrock").delete_imported_model(modelIdentifier=names[1])
    assert account.errors() == ()


def test_a_running_import_is_a_warning(
    account: Account, aws: Aws, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    aws.script("hold-imports")
    aws.create_job(aws.upload(base, "running"), "somebody-elses")
    with caplog.at_level(logging.INFO):
        assert account.errors() == ()
    assert "WARNING running import jobs (somebody-elses): another import runs" in caplog.text


def test_endpoint_region_account_and_caller_are_shown(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        account.errors()
    caller = f"arn:aws:iam::{ACCOUNT}:user/{account.user}"
    expected = (
        f"INFO connection (aws_default): {account.endpoint}, region us-east-1, account {ACCOUNT}, caller {caller}"
    )
    assert expected in caplog.text


def test_the_root_user_may_do_everything_and_is_said_to(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.keys = ADMIN
    with caplog.at_level(logging.INFO):
        assert account.errors() == ()
    assert f"INFO caller permissions (arn:aws:iam::{ACCOUNT}:root): the account's root user may do everything" in (
        caplog.text
    )


def test_the_session_of_a_role_is_judged_by_the_role_wherever_it_lies(account: Account) -> None:
    iam, path = account.admin("iam"), "/teams/ml/"
    name = f"{account.user}-role"
    trust = policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    arn = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    document = iam.get_user_policy(UserName=account.user, PolicyName="run")["PolicyDocument"]
    iam.put_role_policy(RoleName=name, PolicyName="ask", PolicyDocument=policy(ASKING))
    keys = account.admin("sts").assume_role(RoleArn=arn, RoleSessionName="airflow")["Credentials"]
    account.keys = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    found = account.errors()
    assert {(finding.check, finding.which) for finding in found} == {("caller permissions", arn)}
    iam.put_role_policy(RoleName=name, PolicyName="run", PolicyDocument=policy(*document["Statement"]))
    assert account.errors() == ()


def test_the_right_to_ask_through_the_evaluations_guardrail_is_missed_before_the_import(account: Account) -> None:
    account.values["evaluation"]["guardrail_id"] = "abc123def456"
    [error] = account.errors()
    statement = statement_in(error.remedy)
    assert statement["Action"] == ["bedrock:ApplyGuardrail"]
    assert statement["Resource"] == f"arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/abc123def456"
    account.put_user_policy(statement, name="remedy")
    assert account.errors() == ()


def test_a_trust_policy_without_conditions_is_a_warning(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.trust({"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"})
    assert account.errors() == ()
    assert "confused-deputy" in caplog.text


def test_what_the_bucket_policy_may_allow_is_a_warning(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.keep_role_statements(GetObject=None)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": account.target.role_arn},
        "Action": "s3:GetObject",
        "Resource": account.target.objects,
    }
    account.admin("s3").put_bucket_policy(Bucket=account.bucket, Policy=policy(statement))
    assert account.errors() == ()
    assert "the bucket's or the key's own policy names it" in caplog.text


def test_a_bucket_that_encrypts_with_another_key_is_a_warning(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    default = account.use_key()
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": default}}
    account.admin("s3").put_bucket_encryption(
        Bucket=account.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    assert account.errors() == ()
    account.use_key()
    assert account.errors() == ()
    assert f"encrypts with another key by default, {default}" in caplog.text


def test_the_key_that_a_bucket_encrypts_with_by_default_counts_too(account: Account) -> None:
    key = account.use_key()
    account.values["account"]["kms_key_id"] = None
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    account.admin("s3").put_bucket_encryption(
        Bucket=account.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    assert account.errors() == ()
    account.keep_role_statements()  # those without a key
    assert {finding.check for finding in account.errors()} == {"role permissions"}


@pytest.mark.parametrize("encrypted", [False, True], ids=["S3's own keys", "a KMS key"])
def test_what_the_cloudformation_template_makes_passes(account: Account, encrypted: bool) -> None:
    parameters = {"Prefix": "team/models"} | ({"KmsKeyArn": account.use_key()} if encrypted else {})
    cloudformation = account.admin("cloudformation")
    cloudformation.create_stack(
        StackName=account.user,
        TemplateBody=(PROJECT_ROOT / "include/cloudformation/model_import.yaml").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    [stack] = cloudformation.describe_stacks(StackName=account.user)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    account.bucket = outputs["BucketName"]
    account.values["account"] |= {
        "bucket": outputs["BucketName"],
        "prefix": outputs["Prefix"],
        "role_arn": outputs["ImportRoleArn"],
        "kms_key_id": outputs.get("KmsKeyArn"),
    }
    account.keep_user_statements()
    assert account.errors() == ()
