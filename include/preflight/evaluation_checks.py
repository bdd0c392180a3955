"""Check what a Bedrock evaluation job needs: its evaluator model, and the role that it assumes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from include.aws.clients import AwsClients
from include.config.model import ModelConfig
from include.preflight.asking import Check, guarded
from include.preflight.caller import Identity
from include.preflight.evaluation_permissions import needs_of_evaluation_role
from include.preflight.findings import Finding
from include.preflight.judging_models import JudgingModel, check_judging_model
from include.preflight.permissions import BEDROCK_PRINCIPAL, Target, trust_statement
from include.preflight.role_checks import Trust, check_trust, find_role
from include.preflight.simulation import Subject, check_needs

EVALUATION = "Bedrock evaluation"
ROLE = "evaluation role"
_DEPLOY = (
    "Correct model_import_evaluation_role_arn, or deploy include/cloudformation/model_import.yaml with "
    "EvaluatorModelArns, which makes one."
)


def check_evaluator(clients: AwsClients, config: ModelConfig, identity: Identity) -> Check[tuple[str, ...]]:
    """Yield whether Bedrock has the evaluator model; return the ARNs that the job's role must be allowed to invoke."""
    evaluation = config.bedrock_evaluation
    if evaluation is None:
        return ()
    yield from _asked(config)
    judging = JudgingModel(EVALUATION, "bedrock_evaluation.evaluator_model", evaluation.evaluator_model)
    return (yield from check_judging_model(clients, judging, identity))


def _asked(config: ModelConfig) -> Iterator[Finding]:
    if evaluation := config.bedrock_evaluation:
        found = (
            f"asked about at most {evaluation.records:,} answers of {config.suites[0].name}: "
            f"{', '.join(evaluation.metrics)}"
        )
        yield Finding("info", EVALUATION, evaluation.evaluator_model, found)


def check_evaluation_role(iam: Any, target: Target, policies: str) -> Check[bool]:
    """Yield problems of the role that evaluation jobs assume; return whether it is a role of the account.

    ``policies`` are those of the bucket and the key.
    """
    role_arn = str(target.evaluation_role_arn)
    role = yield from find_role(iam, ROLE, role_arn, target.account_id, _DEPLOY)
    if role is None:
        return False
    own_job = {"aws:SourceAccount": target.account_id, "aws:SourceArn": target.arn("bedrock", "evaluation-job/own")}
    trust = Trust(
        role_arn,
        BEDROCK_PRINCIPAL,
        target.account_id,
        own_job,
        trust_statement(target, "evaluation-job"),
        "evaluation jobs",
    )
    asked = check_trust(iam, trust, role["AssumeRolePolicyDocument"])
    yield from guarded("trust policy", role_arn, "iam:SimulateCustomPolicy", asked)
    needs = check_needs(
        iam, Subject("evaluation role permissions", role_arn, policies), needs_of_evaluation_role(target)
    )
    yield from guarded("evaluation role permissions", role_arn, "iam:SimulatePrincipalPolicy", needs)
    return True
