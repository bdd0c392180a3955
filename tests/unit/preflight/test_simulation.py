from __future__ import annotations

from typing import Any

import pytest

from include.preflight.findings import Finding
from include.preflight.permissions import Need
from include.preflight.simulation import Subject, check_needs

ROLE = "arn:aws:iam::123456789012:role/import"
NEED = Need("read the checkpoint", ("s3:GetObject", "s3:ListBucket"), "arn:aws:s3:::b/*")


class Iam:
    """Answers SimulatePrincipalPolicy with the results it was given, a page each."""

    def __init__(self, *results: dict[str, Any]) -> None:
        self.results = results

    def get_paginator(self, operation: str) -> Iam:
        assert operation == "simulate_principal_policy"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        return [{"EvaluationResults": [result]} for result in self.results]


def findings(*results: dict[str, Any], policies: str = "") -> list[Finding]:
    return list(check_needs(Iam(*results), Subject("role permissions", ROLE, policies), [NEED]))


def result(action: str, decision: str, **more: Any) -> dict[str, Any]:
    return {"EvalActionName": action, "EvalDecision": decision, **more}


def test_only_what_is_missing_is_in_the_statement_to_add() -> None:
    [finding] = findings(result("s3:GetObject", "allowed"), result("s3:ListBucket", "implicitDeny"))
    statement = '{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::b/*"}'
    assert finding.severity == "error"
    assert finding.remedy == f"Add to its policies: {statement}"


def test_results_on_all_pages_count() -> None:
    [finding] = findings(result("s3:GetObject", "implicitDeny"), result("s3:ListBucket", "implicitDeny"))
    assert "s3:GetObject, s3:ListBucket" in finding.found


def test_a_denial_names_the_policy_and_asks_to_remove_it_not_to_add_another() -> None:
    denied = result("s3:GetObject", "explicitDeny", MatchedStatements=[{"SourcePolicyId": "guardrail"}])
    [finding] = findings(denied)
    assert finding.remedy == "Remove the Deny statement in guardrail."


def test_what_depends_on_the_request_is_a_warning() -> None:
    [finding] = findings(result("s3:GetObject", "implicitDeny", MissingContextValues=["aws:SourceIp"]))
    assert finding.severity == "warning"
    assert "depends on aws:SourceIp" in finding.found


@pytest.mark.parametrize(("policies", "severity"), [(f'"{ROLE}"', "warning"), ('"somebody else"', "error")])
def test_a_resources_own_policy_may_allow_what_iam_does_not(policies: str, severity: str) -> None:
    [finding] = findings(result("s3:GetObject", "implicitDeny"), policies=policies)
    assert finding.severity == severity
