"""The part of the template for fine-tuning: the role of training jobs, and what the runner may do with them."""

from __future__ import annotations

from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import loads

from include.config.names import ROLE_ARN
from tests.support.runner import actions_of
from tests.support.stacks import ACCOUNT, IMPORT, REGION, Aws

TEMPLATE = IMPORT.read_text(encoding="utf-8")
JOBS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/"
#: Actions that take no resource, by the Service Authorization Reference.
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}


def deploy(aws: Aws, **parameters: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The statements of the training role and of the runner's policy for training, by their Sid."""
    outputs = aws.deploy(TEMPLATE, FineTuning="true", **parameters)
    of_role, of_runner = (
        {statement["Sid"]: statement for statement in statements}
        for statements in (
            aws.role_statements(outputs["TrainingRoleArn"]),
            aws.policy_statements(outputs["TrainingPolicyArn"]),
        )
    )
    return of_role, of_runner


def test_an_account_that_does_not_fine_tune_gets_no_role_and_no_right_to_start_training_jobs(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE)
    assert not {"TrainingRoleArn", "TrainingPolicyArn"} & set(outputs)
    statements = aws.policy_statements(outputs["RunnerPolicyArn"])
    assert "sagemaker:CreateTrainingJob" not in [action for each in statements for action in actions_of(each)]


def test_only_training_jobs_of_this_account_and_region_may_take_the_role(aws: Aws) -> None:
    arn = aws.deploy(TEMPLATE, FineTuning="true")["TrainingRoleArn"]
    assert ROLE_ARN.fullmatch(arn)
    role = aws.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "sagemaker.amazonaws.com"}, "sts:AssumeRole")
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"{JOBS}*"},
    }


def test_no_statement_covers_everything_but_those_of_actions_that_take_no_resource(aws: Aws) -> None:
    for statements in deploy(aws, KmsKeyArn="new", SourceBuckets="bases"):
        for statement in statements.values():
            actions = set(actions_of(statement))
            assert not any("*" in action for action in actions)
            assert actions <= WITHOUT_RESOURCE or statement["Resource"] != "*", statement["Sid"]


def test_the_role_writes_checkpoints_and_adapters_of_the_named_models_and_nothing_else(aws: Aws) -> None:
    role, _ = deploy(aws, BucketName="teams-adapters", Prefix="llm/imports", ModelNames="team-*")
    writing = [each for each in role.values() if "s3:PutObject" in actions_of(each)]
    assert [each["Resource"] for each in writing] == ["arn:aws:s3:::teams-adapters/llm/imports/team-*/training/*"]
    assert role["PutLosses"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}}


def test_the_role_reads_bases_in_the_source_buckets(aws: Aws) -> None:
    role, _ = deploy(aws, SourceBuckets="bases,more-bases")
    names = ("bases", "more-bases")
    assert role["ReadBases"]["Resource"] == [
        *(f"arn:aws:s3:::{name}" for name in names),
        *(f"arn:aws:s3:::{name}/*" for name in names),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", f"arn:aws:ecr:{REGION}:763104351884:repository/pytorch-training"),
        (f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/ours", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/ours"),
    ],
)
def test_the_role_pulls_the_image_of_one_repository(given: str, expected: str, aws: Aws) -> None:
    role, _ = deploy(aws, TrainingImageRepositoryArn=given)
    assert role["PullTheImage"]["Resource"] == expected


def test_the_role_uses_the_buckets_key(aws: Aws) -> None:
    role, _ = deploy(aws, KmsKeyArn="new")
    assert role["UseTheKey"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert role["UseTheKey"]["Condition"] == {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}


def test_the_runner_starts_and_stops_tagged_jobs_of_the_named_models_only(aws: Aws) -> None:
    _, runner = deploy(aws, ModelNames="team-*")
    for sid in ("StartTrainingJobs", "TagNewTrainingJobs", "StopTrainingJobs"):
        assert runner[sid]["Resource"] == f"{JOBS}team-*-*", sid
        assert set(runner[sid]["Condition"]["Null"].values()) == {"false"}, sid
    assert runner["PassTheTrainingRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }


@pytest.mark.parametrize(("days", "groups"), [("0", []), ("30", [30])])
def test_logs_of_training_jobs_are_deleted_after_some_days_on_request(days: str, groups: list[int], aws: Aws) -> None:
    aws.deploy(TEMPLATE, FineTuning="true", TrainingLogRetentionDays=days)
    found = aws.client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker/TrainingJobs")["logGroups"]
    assert [group["retentionInDays"] for group in found] == groups
    assert loads(TEMPLATE)["Resources"]["TrainingLogs"]["DeletionPolicy"] == "Retain"
