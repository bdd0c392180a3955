"""Check whether Bedrock has a model that judges answers, and serves it on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from include.aws.clients import AwsClients
from include.aws.transient import error_code
from include.preflight.asking import Check, guarded
from include.preflight.caller import Identity
from include.preflight.findings import Finding

ON_DEMAND = "ON_DEMAND"
_RIGHT = "bedrock:GetFoundationModel, bedrock:GetInferenceProfile"
_ABSENT = {"ResourceNotFoundException", "ValidationException"}
#: How ids of cross-region inference profiles begin; ids of models begin with a provider.
#: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_GEOGRAPHIES = frozenset({"us", "us-gov", "eu", "apac", "au", "ca", "jp", "global"})


class JudgingModel(NamedTuple):
    """The id or ARN of a model or inference profile, the check that is about it, and its field in the model's file."""

    check: str
    field: str
    model: str


def check_judging_model(clients: AwsClients, judging: JudgingModel, identity: Identity) -> Check[tuple[str, ...]]:
    """Yield whether Bedrock has the model; return the ARNs that must be allowed to be invoked.

    Whether the account has been given access to the model is not among what these operations answer: the first
    question shows it. Where Bedrock did not answer, the ARN is the one that the id most likely stands for.
    """
    found = yield from guarded(judging.check, judging.model, _RIGHT, _find(clients.bedrock, judging))
    return (_likely_arn(judging.model, identity, clients.region_name),) if found is None else found


def _likely_arn(model: str, identity: Identity, region_name: str) -> str:
    if model.startswith("arn:"):
        return model
    if model.partition(".")[0] in _GEOGRAPHIES:
        return f"arn:{identity.partition}:bedrock:{region_name}:{identity.account_id}:inference-profile/{model}"
    return f"arn:{identity.partition}:bedrock:{region_name}::foundation-model/{model}"


def _find(bedrock: Any, judging: JudgingModel) -> Check[tuple[str, ...]]:
    """An id may be that of a model or of an inference profile; only Bedrock knows."""
    model, name = None, judging.model
    if "inference-profile/" not in name:
        model = _answer(bedrock.get_foundation_model, modelIdentifier=name)
    if model:
        yield from _problems(judging, model["modelDetails"])
        return (str(model["modelDetails"]["modelArn"]),)
    if profile := _answer(bedrock.get_inference_profile, inferenceProfileIdentifier=name):
        models = [str(routed["modelArn"]) for routed in profile["models"]]
        return (str(profile["inferenceProfileArn"]), *models)
    found = f"Bedrock has no such model or inference profile in {bedrock.meta.region_name}"
    yield Finding(
        "error", judging.check, name, found, f"Correct {judging.field}; the Bedrock console lists both with their ids."
    )
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


def _problems(judging: JudgingModel, details: Any) -> Check[None]:
    check, name = judging.check, judging.model
    if ON_DEMAND not in details.get("inferenceTypesSupported", (ON_DEMAND,)):
        found = "the model is not served on demand under its own id"
        yield Finding(
            "error", check, name, found, f"Set {judging.field} to an inference profile that contains this model."
        )
    if "TEXT" not in details.get("outputModalities", ("TEXT",)):
        yield Finding("error", check, name, "the model does not answer with text", "Choose a model that does.")
    if details.get("modelLifecycle", {}).get("status") == "LEGACY":
        found = "Bedrock calls this model legacy, so it will be withdrawn"
        yield Finding("warning", check, name, found, "Choose a newer model; results of two judges do not compare.")
