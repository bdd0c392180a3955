"""What preflight says of a Bedrock evaluation job: its evaluator model, its role, and the right to start it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from include.preflight.findings import Finding
from tests.support.account import Account, policy, statement_in
from tests.support.bedrock_stand_in import ACCOUNT, REGION, Aws
from tests.support.evaluation_jobs import EVALUATOR, TRUST


@pytest.fixture
def role(account: Account, aws: Aws) -> str:
    """The name of a role that evaluation jobs may assume and that may do nothing."""
    aws.script("judge", model=EVALUATOR)
    look = {"Effect": "Allow", "Action": ["bedrock:GetFoundationModel", "bedrock:GetInferenceProfile"], "Resource": "*"}
    account.put_user_policy(look, name="look-at-models")
    name = f"evaluation-{uuid.uuid4().hex[:8]}"
    account.admin("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(TRUST))
    account.values["bedrock_evaluation"] = {"evaluator_model": EVALUATOR}
    account.values["account"]["evaluation_role_arn"] = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    return name


def of(findings: tuple[Finding, ...], check: str) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]


def test_each_right_of_the_role_and_of_the_caller_is_missed_and_the_remedies_give_it(
    account: Account, role: str
) -> None:
    found = account.errors()
    rights = of(found, "evaluation role permissions")
    assert {action for finding in rights for action in statement_in(finding.remedy)["Action"]} == {
        "s3:ListBucket", "s3:GetObject", "s3:PutObject", "bedrock:InvokeModel",
    }  # fmt: skip
    missed = of(found, "caller permissions")
    assert {action for finding in missed for action in statement_in(finding.remedy)["Action"]} == {
        "iam:PassRole", "bedrock:CreateEvaluationJob", "bedrock:TagResource", "bedrock:ListEvaluationJobs",
        "bedrock:GetEvaluationJob",
    }  # fmt: skip
    assert len(rights) + len(missed) == len(found)
    statements = policy(*(statement_in(finding.remedy) for finding in rights))
    account.admin("iam").put_role_policy(RoleName=role, PolicyName="remedy", PolicyDocument=statements)
    account.put_user_policy(*(statement_in(finding.remedy) for finding in missed), name="remedy")
    assert account.errors() == ()


def test_a_setting_that_is_missing_is_named_with_the_variable(account: Account, role: str) -> None:
    del account.values["account"]["evaluation_role_arn"]
    [error] = [finding for finding in account.errors() if finding.check == "account setting"]
    assert "model_import_evaluation_role_arn" in error.remedy


def test_a_role_that_is_not_there_is_named_and_nothing_else_about_it(account: Account, role: str) -> None:
    account.values["account"]["evaluation_role_arn"] += "-missing"
    found = account.errors()
    assert [finding.found for finding in of(found, "evaluation role")] == ["there is no such role"]
    assert "EvaluatorModelArns" in of(found, "evaluation role")[0].remedy
    assert not any("iam:PassRole" in finding.remedy for finding in found)


def test_a_role_for_other_jobs_is_refused_and_the_remedy_lets_evaluation_jobs_in(account: Account, role: str) -> None:
    other = json.loads(json.dumps(TRUST).replace("evaluation-job", "model-import-job"))
    iam = account.admin("iam")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=policy(other))
    [error] = of(account.errors(), "trust policy")
    assert f"arn:aws:bedrock:{REGION}:{ACCOUNT}:evaluation-job/own" in error.found
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=policy(statement_in(error.remedy)))
    assert of(account.errors(), "trust policy") == []


@pytest.mark.parametrize(
    ("scripted", "model", "found"),
    [
        ({"model": EVALUATOR}, "example.unknown-v1:0", "no such model or inference profile"),
        ({"model": EVALUATOR, "on_demand": False}, EVALUATOR, "not served on demand"),
    ],
)
def test_an_evaluator_that_bedrock_does_not_serve_is_named_with_its_field(
    account: Account, aws: Aws, role: str, scripted: dict[str, Any], model: str, found: str
) -> None:
    aws.script("judge", **scripted)
    account.values["bedrock_evaluation"]["evaluator_model"] = model
    [error] = of(account.errors(), "Bedrock evaluation")
    assert found in error.found
    assert "bedrock_evaluation.evaluator_model" in error.remedy


def test_the_log_says_what_the_evaluator_is_asked(
    account: Account, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        account.errors()
    assert "asked about at most 100 answers of evaluation: Correctness, Completeness" in caplog.text
