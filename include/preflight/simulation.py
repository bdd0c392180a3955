"""Check permissions of a role or user with IAM's SimulatePrincipalPolicy and SimulateCustomPolicy.

See https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html: it evaluates identity
policies, permissions boundaries and service control policies, but not resource policies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from include.preflight.asking import Check
from include.preflight.findings import Finding, Severity, statement_text
from include.preflight.permissions import Need

ALLOWED, DENIED = "allowed", "explicitDeny"


@dataclass(frozen=True)
class Subject:
    """Whose permissions are checked; ``resource_policies`` is the text of the bucket's and the key's own policies."""

    check: str
    arn: str
    resource_policies: str = ""


def _context(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in values.items()
    ]


def check_needs(iam: Any, subject: Subject, needs: Iterable[Need]) -> Check[None]:
    """Yield an error for each need that the subject's policies do not meet, with the statement that is missing."""
    pages = iam.get_paginator("simulate_principal_policy")
    for need in needs:
        answer = pages.paginate(
            PolicySourceArn=subject.arn,
            ActionNames=list(need.actions),
            ResourceArns=[need.probe or need.resource],
            ContextEntries=_context(need.context),
        )
        yield from _judge(subject, need, [result for page in answer for result in page["EvaluationResults"]])


def _judge(subject: Subject, need: Need, results: list[dict[str, Any]]) -> Iterator[Finding]:
    denied = tuple(result["EvalActionName"] for result in results if result["EvalDecision"] == DENIED)
    if denied:
        found = f"a policy denies it {', '.join(denied)} on {need.resource}: it cannot {need.purpose}"
        policies = {
            matched.get("SourcePolicyId", "")
            for result in results
            for matched in result.get("MatchedStatements", ())
            if result["EvalDecision"] == DENIED
        }
        place = f" in {', '.join(sorted(policies))}" if policies else ""
        yield Finding("error", subject.check, subject.arn, found, f"Remove the Deny statement{place}.")
    missing = [result for result in results if result["EvalDecision"] not in (ALLOWED, DENIED)]
    if missing:
        yield _missing(subject, need, missing)


def _missing(subject: Subject, need: Need, missing: list[dict[str, Any]]) -> Finding:
    actions = tuple(result["EvalActionName"] for result in missing)
    found = f"it cannot {need.purpose}: no policy allows {', '.join(actions)} on {need.resource}"
    unknown = sorted({key for result in missing for key in result.get("MissingContextValues", ())})
    doubts = [f"whether it is depends on {', '.join(unknown)}, which only a real request has"] if unknown else []
    if subject.arn in subject.resource_policies and all(action.startswith(("s3:", "kms:")) for action in actions):
        doubts.append("the bucket's or the key's own policy names it and may allow it")
    remedy = f"Add to its policies: {statement_text(need.statement(actions))}"
    severity: Severity = "warning" if doubts else "error"
    return Finding(severity, subject.check, subject.arn, "; ".join([found, *doubts]), remedy)


def allows_assuming(iam: Any, statements: list[dict[str, Any]], context: Mapping[str, str]) -> bool:
    """Return whether trust statements that concern the caller let it assume their role in this context.

    IAM does not simulate trust policies, but accepts them with the principal replaced by a resource.
    """
    policy = [
        {key: value for key, value in statement.items() if key not in ("Principal", "NotPrincipal")} | {"Resource": "*"}
        for statement in statements
    ]
    answer = iam.simulate_custom_policy(
        PolicyInputList=[json.dumps({"Version": "2012-10-17", "Statement": policy})],
        ActionNames=["sts:AssumeRole"],
        ContextEntries=_context(context),
    )
    return bool(answer["EvaluationResults"][0]["EvalDecision"] == ALLOWED)
