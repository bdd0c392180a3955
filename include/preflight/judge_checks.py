"""Check the judge: its rubric, and whether Bedrock has the model and serves it on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.aws.clients import AwsClients
from include.aws.transient import error_code, transient_cause
from include.config.judge import JudgeConfig, judged_suites
from include.config.model import ModelConfig
from include.errors import ModelImportError
from include.preflight.asking import Check, guarded
from include.preflight.caller import Identity
from include.preflight.findings import Finding
from include.run.rubric import judge_settings

JUDGE = "judge"
ON_DEMAND = "ON_DEMAND"
_RIGHT = "bedrock:GetFoundationModel, bedrock:GetInferenceProfile"
_ABSENT = {"ResourceNotFoundException", "ValidationException"}
#: How ids of cross-region inference profiles begin; ids of models begin with a provider.
#: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_GEOGRAPHIES = frozenset({"us", "us-gov", "eu", "apac", "au", "ca", "jp", "global"})


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
    """Yield whether Bedrock has the judge's model; return the ARNs that a caller needs to be allowed to invoke.

    Whether the account has been given access to the model is not among what these operations answer: the first
    question shows it. Where Bedrock did not answer, the ARN is the one that the id most likely stands for.
    """
    if config.judge is None:
        return ()
    found = yield from guarded(JUDGE, config.judge.model, _RIGHT, _find(clients.bedrock, config.judge))
    return (_likely_arn(config.judge.model, identity, clients.region_name),) if found is None else found


def _likely_arn(model: str, identity: Identity, region_name: str) -> str:
    if model.startswith("arn:"):
        return model
    if model.partition(".")[0] in _GEOGRAPHIES:
        return f"arn:{identity.partition}:bedrock:{region_name}:{identity.account_id}:inference-profile/{model}"
    return f"arn:{identity.partition}:bedrock:{region_name}::foundation-model/{model}"


def _find(bedrock: Any, judge: JudgeConfig) -> Check[tuple[str, ...]]:
    """An id may be that of a model or of an inference profile; only Bedrock knows."""
    model, name = None, judge.model
    if "inference-profile/" not in name:
        model = _answer(bedrock.get_foundation_model, modelIdentifier=name)
    if model:
        yield from _problems(name, model["modelDetails"])
        return (str(model["modelDetails"]["modelArn"]),)
    if profile := _answer(bedrock.get_inference_profile, inferenceProfileIdentifier=name):
        models = [str(routed["modelArn"]) for routed in profile["models"]]
        return (str(profile["inferenceProfileArn"]), *models)
    found = f"Bedrock has no such model or inference profile in {bedrock.meta.region_name}"
    yield Finding("error", JUDGE, name, found, "Correct judge.model; the Bedrock console lists both with their ids.")
    return ()


def _answer(operation: Callable[..., Any], **arguments: str) -> Any:
    """Return the answer, None when there is no such model."""
    from botocore.exceptions import ClientError

    try:
        return operation(**arguments)
    except ClientError as error:
        if error_code(error) in _ABSENT:
            return None
        raise


def _problems(name: str, details: Any) -> Check[None]:
    if ON_DEMAND not in details.get("inferenceTypesSupported", (ON_DEMAND,)):
        found = "the model is not served on demand under its own id"
        yield Finding("error", JUDGE, name, found, "Set judge.model to an inference profile that contains this model.")
    if "TEXT" not in details.get("outputModalities", ("TEXT",)):
        yield Finding("error", JUDGE, name, "the model does not answer with text", "Choose a model that does.")
    if details.get("modelLifecycle", {}).get("status") == "LEGACY":
        found = "Bedrock calls this model legacy, so it will be withdrawn"
        yield Finding("warning", JUDGE, name, found, "Choose a newer model; results of two judges do not compare.")
