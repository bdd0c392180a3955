"""The permissions that a Bedrock evaluation job needs, as data for IAM's policy simulator.

See https://docs.aws.amazon.com/bedrock/latest/userguide/judge-service-roles.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from include.preflight.permissions import BEDROCK_PRINCIPAL, Need, Target, invoking, passing_role, present, tags_of
from include.run.names import EVALUATIONS

_PROBE_ID = "preflight000"


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
    yield passing_role("hand the evaluation role to Bedrock", target.evaluation_role_arn, BEDROCK_PRINCIPAL)
    tagged: dict[str, Any] = {"context": requested, "condition": present(requested)}
    yield Need("start evaluation jobs", ("bedrock:CreateEvaluationJob",), "*", **tagged)
    yield Need("tag new evaluation jobs", ("bedrock:TagResource",), f"{jobs}*", **tagged)
    yield Need("find evaluation jobs", ("bedrock:ListEvaluationJobs",), "*")
    yield Need("follow evaluation jobs", ("bedrock:GetEvaluationJob",), f"{jobs}*", probe=f"{jobs}{_PROBE_ID}")
