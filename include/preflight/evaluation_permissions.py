"""The permissions that a Bedrock evaluation job needs, as data for IAM's policy simulator.

See https://docs.aws.amazon.com/bedrock/latest/userguide/judge-service-roles.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from include.preflight.permissions import BEDROCK_PRINCIPAL, Need, Target, invoking, present, tags_of
from include.run.names import EVALUATIONS

_PROBE_ID = "preflight000"


def evaluation_trust_statement(target: Target) -> dict[str, Any]:
    """Return the trust statement that lets only this account's evaluation jobs assume the role."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": BEDROCK_PRINCIPAL},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": target.account_id},
            "ArnLike": {"aws:SourceArn": target.arn("bedrock", "evaluation-job/*")},
        },
    }


def needs_of_evaluation_role(target: Target) -> Iterator[Need]:
    """Yield the permissions that the job's role needs."""
    owned = {"aws:ResourceAccount": target.account_id}
    model = "/".join(part for part in (target.prefix, target.model_name) if part)
    place = f"{model}/{_PROBE_ID}/{EVALUATIONS}/"
    yield Need(
        "list the data set and the scores",
        ("s3:ListBucket",),
        target.bucket_arn,
        context={**owned, "s3:prefix": place},
        condition={"StringEquals": owned},
    )
    yield Need(
        "read the data set and write the scores",
        ("s3:GetObject", "s3:PutObject"),
        f"{target.bucket_arn}/{model}/*/{EVALUATIONS}/*",
        probe=f"{target.bucket_arn}/{place}one.jsonl",
        context=owned,
        condition={"StringEquals": owned},
    )
    yield from invoking("ask the evaluator model", target.evaluator_arns)
    if target.kms_key_arn:
        yield Need(
            "decrypt the data set and encrypt the scores", ("kms:Decrypt", "kms:GenerateDataKey"), target.kms_key_arn
        )


def needs_of_evaluation_caller(target: Target) -> Iterator[Need]:
    """Yield the permissions that the run's credentials need beyond those of an import."""
    if not target.evaluation_role_arn:
        return
    jobs, requested = target.arn("bedrock", "evaluation-job/"), tags_of("aws:RequestTag", target)
    passed = {"iam:PassedToService": BEDROCK_PRINCIPAL}
    yield Need(
        "hand the evaluation role to Bedrock",
        ("iam:PassRole",),
        target.evaluation_role_arn,
        context=passed,
        condition={"StringEquals": passed},
    )
    tagged: dict[str, Any] = {"context": requested, "condition": present(requested)}
    yield Need("start evaluation jobs", ("bedrock:CreateEvaluationJob",), "*", **tagged)
    yield Need("tag new evaluation jobs", ("bedrock:TagResource",), f"{jobs}*", **tagged)
    yield Need("find evaluation jobs", ("bedrock:ListEvaluationJobs",), "*")
    yield Need("follow evaluation jobs", ("bedrock:GetEvaluationJob",), f"{jobs}*", probe=f"{jobs}{_PROBE_ID}")
