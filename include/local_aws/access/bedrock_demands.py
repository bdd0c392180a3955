"""What the operations of Bedrock need to be allowed. Source: Service Authorization Reference, "Amazon Bedrock"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from include.local_aws.access.decisions import Demand
from include.local_aws.bedrock.judges import arns_of
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.scripts import Judge
from include.local_aws.bedrock.state import RegionState

PASSED_TO = "bedrock.amazonaws.com"
ACTIONS = {"Converse": "InvokeModel", "ConverseStream": "InvokeModelWithResponseStream"}
RUNTIME = ("InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream")
JOB, MODEL, EVALUATION = "model-import-job", "imported-model", "evaluation-job"
#: Which kind of resource a member names; other operations are on every resource.
IDENTIFIERS = {
    "GetModelImportJob": ("jobIdentifier", JOB),
    "GetEvaluationJob": ("jobIdentifier", EVALUATION),
    "StopEvaluationJob": ("jobIdentifier", EVALUATION),
    "GetImportedModel": ("modelIdentifier", MODEL),
    "DeleteImportedModel": ("modelIdentifier", MODEL),
    **dict.fromkeys(RUNTIME, ("modelId", MODEL)),
    "ListTagsForResource": ("resourceARN", ""),
    "TagResource": ("resourceARN", ""),
    "UntagResource": ("resourceARN", ""),
}
#: The members with the tags of what an operation creates, and its kind.
CREATES = {
    "CreateModelImportJob": {"jobTags": JOB, "importedModelTags": MODEL},
    "CreateEvaluationJob": {"jobTags": EVALUATION},
}


def demands_of_bedrock(
    operation: str, params: Mapping[str, Any], scope: Scope, region: RegionState, judge: Judge | None = None
) -> Iterator[Demand]:
    """Yield what the operation needs to be allowed; ``judge`` is the scripted one that it names, if it does."""
    if judge:
        own, *models = arns_of(judge, scope)
        through = {"bedrock:InferenceProfileArn": own} if judge.routes_to else {}
        for arn in (own, *models) if operation in RUNTIME else (own,):
            yield Demand(f"bedrock:{ACTIONS.get(operation, operation)}", arn, through)
        return
    resource = _resource(operation, params, scope, region)
    context = _request_tags(params.get("tags", params.get("jobTags"))) | _resource_tags(resource, region)
    yield Demand(f"bedrock:{ACTIONS.get(operation, operation)}", resource, context)
    if operation not in CREATES:
        return
    yield Demand("iam:PassRole", str(params.get("roleArn", "*")), {"iam:PassedToService": PASSED_TO})
    for member, kind in CREATES[operation].items():
        if params.get(member):
            yield Demand("bedrock:TagResource", scope.arn(f"{kind}/*"), _request_tags(params[member]))


def named_model(params: Mapping[str, Any]) -> str:
    """Return the model or inference profile that a call names, an empty text where it names none."""
    members = ("modelId", "modelIdentifier", "inferenceProfileIdentifier")
    return str(next((params[member] for member in members if member in params), ""))


def _request_tags(tags: Any) -> dict[str, str]:
    return {f"aws:RequestTag/{tag['key']}": str(tag["value"]) for tag in tags or []}


def _resource_tags(arn: str, region: RegionState) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in region.tags.get(arn, {}).items()}


def _resource(operation: str, params: Mapping[str, Any], scope: Scope, region: RegionState) -> str:
    member, kind = IDENTIFIERS.get(operation, ("", ""))
    name = str(params.get(member, "*"))
    if not member or name.startswith("arn:"):
        return name
    held = region.job(name) if kind == JOB else region.model(name)
    return held.arn if held else scope.arn(f"{kind}/{name}")
