"""Check the judge: its rubric and its model."""

from __future__ import annotations

from include.aws.clients import AwsClients
from include.aws.transient import transient_cause
from include.config.judge import judged_suites
from include.config.model import ModelConfig
from include.errors import ModelImportError
from include.preflight.asking import Check
from include.preflight.caller import Identity
from include.preflight.findings import Finding
from include.preflight.judging_models import JudgingModel, check_judging_model
from include.run.rubric import judge_settings

JUDGE = "judge"


def check_rubric(config: ModelConfig, clients: AwsClients) -> Check[None]:
    """Yield what is wrong with the rubric, or else what the judge will be asked."""
    judge = config.judge
    if judge is None:
        return
    try:
        judge_settings(judge, config.account, clients.s3)
    except ModelImportError as error:
        if transient_cause(error):
            raise
        yield Finding("error", JUDGE, judge.rubric_file or judge.model, error.finding, error.remedy)
        return
    names = ", ".join(suite.name for suite in judged_suites(judge, config.suites))
    most = judge.records * judge.questions_per_record
    yield Finding(
        "info", JUDGE, judge.model, f"asked are at most {most:,} questions about the answers in each of: {names}"
    )


def check_judge(clients: AwsClients, config: ModelConfig, identity: Identity) -> Check[tuple[str, ...]]:
    """Yield whether Bedrock has the judge's model; return the ARNs that a caller needs to be allowed to invoke."""
    if config.judge is None:
        return ()
    return (yield from check_judging_model(clients, JudgingModel(JUDGE, "judge.model", config.judge.model), identity))
