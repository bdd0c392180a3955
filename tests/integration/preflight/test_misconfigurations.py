"""Planted misconfigurations: each is found, alone, in seconds, and its remedy makes preflight pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from include.preflight.findings import Finding
from include.preflight.permissions import trust_statement
from tests.support.account import ACCOUNT, REGION, Account, statement_in

SECONDS = 10.0
OTHER_ACCOUNT = "210987654321"
Act = Callable[[Account], Any]


class Planted(NamedTuple):
    """One misconfiguration: ``cure`` does what the remedy says, and is given the finding."""

    name: str
    check: str
    plant: Act
    cure: Callable[[Account, Finding], Any]
    says: str


def setting(**values: Any) -> Act:
    return lambda account: account.values["account"].update(values)


def restore(*fields: str) -> Callable[[Account, Finding], Any]:
    """Give the account's settings the values that ``Account`` started with."""

    def cure(account: Account, _: Finding) -> None:
        right = {"bucket": account.bucket, "role_arn": f"arn:aws:iam::{ACCOUNT}:role/{account.role}"}
        account.values["account"].update({field: right[field] for field in fields})

    return cure


def again(act: Act) -> Callable[[Account, Finding], Any]:
    return lambda account, _: act(account)


def add_to_role(account: Account, finding: Finding) -> None:
    account.put_role_policy(statement_in(finding.remedy), name="remedy")


def add_to_user(account: Account, finding: Finding) -> None:
    account.put_user_policy(statement_in(finding.remedy), name="remedy")


def trust_as_told(account: Account, finding: Finding) -> None:
    account.trust(statement_in(finding.remedy))


def publish_without(action: str) -> Act:
    def plant(account: Account) -> None:
        account.values["publish"] = {"canary": {"share": 0.1, "minutes": 30, "max_error_rate": 0.02}}
        account.keep_user_statements(**{action: None})

    return plant


def trust_with(**changes: Any) -> Act:
    return lambda account: account.trust({**trust_statement(account.target), **changes})


def condition(source_account: str, source_arn: str) -> dict[str, Any]:
    return {"StringEquals": {"aws:SourceAccount": source_account}, "ArnLike": {"aws:SourceArn": source_arn}}


def bucket_elsewhere(account: Account) -> None:
    s3 = account.admin("s3", "eu-central-1")
    s3.delete_bucket(Bucket=account.bucket)
    s3.create_bucket(Bucket=account.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})


def bucket_again(account: Account) -> None:
    s3 = account.admin("s3")
    s3.delete_bucket(Bucket=account.bucket)
    s3.create_bucket(Bucket=account.bucket)


def bucket_of_somebody_else(account: Account) -> None:
    role = {"RoleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/owner", "RoleSessionName": "owner"}
    keys = account.admin("sts").assume_role(**role)["Credentials"]
    import boto3

    owner = boto3.client(
        "s3", endpoint_url=account.endpoint, region_name=REGION, aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"],
    )  # fmt: skip
    account.admin("s3").delete_bucket(Bucket=account.bucket)
    owner.create_bucket(Bucket=account.bucket)


def use_another_bucket(account: Account, _: Finding) -> None:
    account.bucket = f"{account.bucket}-own"
    account.values["account"]["bucket"] = account.bucket
    account.admin("s3").create_bucket(Bucket=account.bucket)
    account.keep_role_statements()
    account.keep_user_statements()


def key_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def disable_key(account: Account) -> None:
    account.admin("kms").disable_key(KeyId=key_id(account.use_key()))


def enable_key(account: Account) -> None:
    account.admin("kms").enable_key(KeyId=key_id(account.values["account"]["kms_key_id"]))


def delete_key(account: Account) -> None:
    account.admin("kms").schedule_key_deletion(KeyId=key_id(account.use_key()))


def keep_key(account: Account) -> None:
    account.admin("kms").cancel_key_deletion(KeyId=key_id(account.values["account"]["kms_key_id"]))
    enable_key(account)


def key_that_is_none(account: Account) -> None:
    account.use_key()
    account.values["account"]["kms_key_id"] = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
    account.keep_role_statements()
    account.keep_user_statements()


def key_for_signing(account: Account) -> None:
    account.use_key()
    key = account.admin("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["Arn"]
    account.values["account"]["kms_key_id"] = key
    account.keep_role_statements()
    account.keep_user_statements()


def no_role(account: Account) -> None:
    iam = account.admin("iam")
    iam.delete_role_policy(RoleName=account.role, PolicyName="import")
    iam.delete_role(RoleName=account.role)


def role_again(account: Account) -> None:
    from tests.support.account import policy

    document = policy(trust_statement(account.target))
    account.admin("iam").create_role(RoleName=account.role, AssumeRolePolicyDocument=document)
    account.keep_role_statements()


def deny_to_role(account: Account) -> None:
    account.put_role_policy({"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}, name="deny")


def no_deny(account: Account) -> None:
    account.admin("iam").delete_role_policy(RoleName=account.role, PolicyName="deny")


def boundary(account: Account) -> None:
    from tests.support.account import policy

    iam, nothing = account.admin("iam"), policy({"Effect": "Allow", "Action": "s3:List*", "Resource": "*"})
    arn = iam.create_policy(PolicyName=f"{account.role}-boundary", PolicyDocument=nothing)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=account.role, PermissionsBoundary=arn)


def no_boundary(account: Account) -> None:
    account.admin("iam").delete_role_permissions_boundary(RoleName=account.role)


def with_key(act: Act) -> Act:
    def plant(account: Account) -> None:
        account.use_key()
        act(account)

    return plant


def region(name: str) -> Act:
    return lambda account: setattr(account, "region", name)


def prefix(value: str) -> Act:
    def plant(account: Account) -> None:
        account.values["account"]["prefix"] = value
        account.keep_role_statements()
        account.keep_user_statements()

    return plant


def run_id(value: str) -> Act:
    return lambda account: account.tags.update(dag_run_id=value)


def other_evaluation(**values: Any) -> Act:
    return lambda account: account.values["evaluation"].update(values)


def evaluation_again(account: Account) -> None:
    account.values["evaluation"] = {"dataset": str(account.dataset), "prompt_template": "[INST] {question} [/INST]"}


def file_in_place_of_workspace(account: Account) -> None:
    account.workspace.write_text("not a folder")


def elsewhere(account: Account) -> None:
    account.workspace = account.folder / "another"


def swap(account: Account) -> None:
    account.values["base"], account.values["adapter"] = account.values["adapter"], account.values["base"]


def no_base(account: Account) -> None:
    copied = account.folder / "base"
    shutil.copytree(account.values["base"], copied)
    account.values["base"] = str(account.folder / "bace")


def corrected_base(account: Account) -> None:
    account.values["base"] = str(account.folder / "base")


OTHERS_JOBS = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:model-import-job/*"
JOBS = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-import-job/*"
MISCONFIGURATIONS = (
    Planted("no bucket is set", "account setting", setting(bucket=None), restore("bucket"), "model_import_bucket"),
    Planted("no role is set", "account setting", setting(role_arn=None), restore("role_arn"), "model_import_role_arn"),
    Planted("the bucket does not exist", "bucket", setting(bucket="no-such-bucket"), restore("bucket"), "no such"),
    Planted("the bucket is in another region", "bucket", bucket_elsewhere, again(bucket_again), "is in eu-central-1"),
    Planted("the bucket is not ours", "bucket", bucket_of_somebody_else, use_another_bucket, "does not belong"),
    Planted("the prefix makes no S3 URI", "name", prefix("a//b"), again(prefix("models")), "refuse this S3 URI"),
    Planted("the run id makes no tag", "tag", run_id("run&1"), again(run_id("run-1")), "another run id"),
    Planted("the KMS key does not exist", "KMS key", key_that_is_none, again(lambda a: a.use_key()), "no such key"),
    Planted("the KMS key is disabled", "KMS key", disable_key, again(enable_key), "Disabled"),
    Planted("the KMS key is being deleted", "KMS key", delete_key, again(keep_key), "PendingDeletion"),
    Planted("the KMS key cannot encrypt", "KMS key", key_for_signing, again(lambda a: a.use_key()), "SIGN_VERIFY"),
    Planted("the role does not exist", "import role", no_role, again(role_again), "no such role"),
    Planted(
        "the role is another account's", "import role",
        setting(role_arn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/import"), restore("role_arn"), OTHER_ACCOUNT,
    ),
    Planted(
        "the role trusts another service", "trust policy", trust_with(Principal={"Service": "sagemaker.amazonaws.com"}),
        trust_as_told, "bedrock.amazonaws.com",
    ),
    Planted(
        "the trust lacks sts:AssumeRole", "trust policy", trust_with(Action="sts:TagSession"), trust_as_told,
        "sts:AssumeRole",
    ),
    Planted(
        "the trust names another account", "trust policy", trust_with(Condition=condition(OTHER_ACCOUNT, JOBS)),
        trust_as_told, f"aws:SourceAccount {ACCOUNT}",
    ),
    Planted(
        "the trust names another region", "trust policy", trust_with(Condition=condition(ACCOUNT, OTHERS_JOBS)),
        trust_as_told, "aws:SourceArn",
    ),
    Planted(
        "the role cannot list", "role permissions", lambda a: a.keep_role_statements(ListBucket=None), add_to_role,
        "s3:ListBucket",
    ),
    Planted(
        "the role cannot read", "role permissions", lambda a: a.keep_role_statements(GetObject=None), add_to_role,
        "s3:GetObject",
    ),
    Planted(
        "the role reads another prefix", "role permissions",
        lambda a: a.keep_role_statements(GetObject={"Resource": f"arn:aws:s3:::{a.bucket}/older/*"}), add_to_role,
        "models/*",
    ),
    Planted(
        "the role's buckets are another account's", "role permissions",
        lambda a: a.keep_role_statements(
            ListBucket={"Condition": {"StringEquals": {"aws:ResourceAccount": OTHER_ACCOUNT}}}
        ),
        add_to_role, "s3:ListBucket",
    ),
    Planted("a policy denies the role", "role permissions", deny_to_role, again(no_deny), "denies it s3:GetObject"),
    Planted("a boundary limits the role", "role permissions", boundary, again(no_boundary), "s3:GetObject"),
    Planted(
        "the role cannot decrypt", "role permissions", with_key(lambda a: a.keep_role_statements(Decrypt=None)),
        add_to_role, "kms:Decrypt",
    ),
    Planted(
        "the caller may not pass the role", "caller permissions", lambda a: a.keep_user_statements(PassRole=None),
        add_to_user, "iam:PassRole",
    ),
    Planted(
        "the caller may pass it to SageMaker only", "caller permissions",
        lambda a: a.keep_user_statements(
            PassRole={"Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}}
        ),
        add_to_user, "bedrock.amazonaws.com",
    ),
    Planted(
        "the caller may not start imports", "caller permissions",
        lambda a: a.keep_user_statements(CreateModelImportJob=None), add_to_user, "bedrock:CreateModelImportJob",
    ),
    Planted(
        "the caller may not call the model", "caller permissions", lambda a: a.keep_user_statements(InvokeModel=None),
        add_to_user, "bedrock:InvokeModel",
    ),
    Planted(
        "the caller may not upload", "caller permissions", lambda a: a.keep_user_statements(PutObject=None),
        add_to_user, "s3:PutObject",
    ),
    Planted(
        "the caller may not register", "caller permissions",
        lambda a: a.keep_user_statements(CreateModelPackage=None), add_to_user, "sagemaker:CreateModelPackage",
    ),
    Planted(
        "the caller may not encrypt", "caller permissions",
        with_key(lambda a: a.keep_user_statements(GenerateDataKey=None)), add_to_user, "kms:GenerateDataKey",
    ),
    Planted(
        "the caller may not point applications to the champion", "caller permissions", publish_without("PutParameter"),
        add_to_user, "ssm:PutParameter",
    ),
    Planted(
        "the caller may not tell of a new champion", "caller permissions", publish_without("PutEvents"),
        add_to_user, "events:PutEvents",
    ),
    Planted(
        "the caller may not count the calls of a canary", "caller permissions", publish_without("GetMetricData"),
        add_to_user, "cloudwatch:GetMetricData",
    ),
    Planted(
        "the evaluation set is missing", "evaluation", other_evaluation(dataset="no/such.jsonl"),
        again(evaluation_again), "no/such.jsonl",
    ),
    Planted(
        "the evaluation set is no JSON Lines", "evaluation", lambda a: a.dataset.write_text("question,answer\n"),
        again(lambda a: a.dataset.write_text('{"question": "Where?", "answer": "There"}\n')), "eval.jsonl",
    ),
    Planted(
        "the prompt lacks the question", "evaluation", other_evaluation(prompt_template="[INST] Answer! [/INST]"),
        again(evaluation_again), "{question}",
    ),
    Planted("the base is not there", "base model", no_base, again(corrected_base), "bace"),
    Planted(
        "the workspace is a file", "workspace", file_in_place_of_workspace, again(elsewhere), "cannot be written to"
    ),
)  # fmt: skip


@pytest.mark.parametrize("planted", MISCONFIGURATIONS, ids=lambda planted: planted.name.replace(" ", "-"))
@pytest.mark.sampled(2)
def test_a_misconfiguration_is_found_and_its_remedy_works(planted: Planted, account: Account) -> None:
    planted.plant(account)
    found = account.errors()
    assert account.seconds < SECONDS
    assert {finding.check for finding in found} == {planted.check}, "\n".join(finding.text() for finding in found)
    [finding] = found
    assert planted.says in finding.text()
    assert finding.remedy
    planted.cure(account, finding)
    assert account.errors() == ()


def test_a_region_without_import_is_found_whatever_else_is_wrong_there(account: Account) -> None:
    account.region = "ap-south-1"
    assert "region" in {finding.check for finding in account.errors()}
    account.region = REGION
    assert account.errors() == ()


def test_everything_is_told_at_once(account: Account) -> None:
    account.keep_role_statements(GetObject=None)
    account.keep_user_statements(PassRole=None)
    swap(account)
    run_id("a&b")(account)
    file_in_place_of_workspace(account)
    checks = {finding.check for finding in account.errors()}
    assert checks == {"base model", "adapter", "tag", "role permissions", "caller permissions", "workspace"}


def test_a_well_configured_account_passes(account: Account) -> None:
    assert account.errors() == ()


def test_an_endpoint_that_is_down_is_told_as_such(account: Account) -> None:
    account.endpoint = "http://127.0.0.1:9"
    [finding, *others] = account.errors()
    assert finding.check == "credentials"
    assert "127.0.0.1:9" in finding.found
    assert {other.check for other in others} <= {"imported models", "owner"}
