"""Judges that a test scripts: foundation models and inference profiles that compare two answers to a question."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from include.local_aws.bedrock.errors import InvalidRequestError, ResourceNotFoundError
from include.local_aws.bedrock.inference import Finish, Inference, InferenceRequest
from include.local_aws.bedrock.scope import Scope
from include.local_aws.bedrock.scripts import Judge
from include.local_aws.bedrock.streaming import OnText, Prepared

if TYPE_CHECKING:
    from include.local_aws.bedrock.service import Bedrock

UNREADABLE = "Both answers have their merits, and I would not like to choose."
_ANSWERS = ("answer_1", "answer_2")
_PREFERENCES: Mapping[str, Callable[[str, str], str]] = {
    "first": lambda first, second: "answer_1",
    "second": lambda first, second: "answer_2",
    "tie": lambda first, second: "tie",
    "longer": lambda first, second: _larger(len(first), len(second)),
    "shorter": lambda first, second: _larger(len(second), len(first)),
}


def arns_of(judge: Judge, scope: Scope) -> tuple[str, ...]:
    """Return the ARN of the model, or of the inference profile and then of each model that it routes to."""
    models = judge.routes_to or (judge.model,)
    own = (scope.arn(f"inference-profile/{judge.model}"),) if judge.routes_to else ()
    return (*own, *(f"arn:{scope.partition}:bedrock:{scope.region}::foundation-model/{model}" for model in models))


def prepare_judgement(bedrock: Bedrock, judge: Judge, model_id: str, request: InferenceRequest) -> Prepared:
    """Return the judge's reply to a conversation; its words stand for its tokens."""
    if not judge.on_demand:
        raise InvalidRequestError(
            f"Invocation of model ID {model_id} with on-demand throughput isn't supported. Retry your request with the "
            "ID or ARN of an inference profile that contains this model."
        )
    prompt_tokens = sum(len(message["content"].split()) for message in request.messages)

    def run(on_text: OnText) -> Inference:
        time.sleep(judge.latency_seconds)
        text = _reply(judge, bedrock.faults.count_judgement(), request.messages[-1]["content"])
        on_text(text, len(text.split()))
        return Inference(text, Finish.END_OF_TURN, prompt_tokens, len(text.split()))

    return Prepared(prompt_tokens, run)


def _reply(judge: Judge, number: int, message: str) -> str:
    """Return the verdict on the JSON object of question and answers that the message is; else a text without one."""
    try:
        asked = json.loads(message)
        first, second = (str(asked[name]) for name in _ANSWERS)
    except (ValueError, KeyError, TypeError):
        return UNREADABLE
    if judge.unreadable_every and number % judge.unreadable_every == 0:
        return UNREADABLE
    better = judge.by_question.get(str(asked.get("question")))
    verdict = _named(better, first, second) if better is not None else _PREFERENCES[judge.prefers](first, second)
    return json.dumps({"reason": "A test said so.", "verdict": verdict})


def _named(better: str, first: str, second: str) -> str:
    return _larger(int(first == better), int(second == better))


def _larger(first: int, second: int) -> str:
    return "tie" if first == second else "answer_1" if first > second else "answer_2"


def get_foundation_model(bedrock: Bedrock, scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer GetFoundationModel for a judge that is a foundation model."""
    judge = bedrock.faults.judge(params["modelIdentifier"])
    if judge is None or judge.routes_to:
        raise ResourceNotFoundError(f"Could not find the model {params['modelIdentifier']}.")
    details = {
        "modelArn": arns_of(judge, scope)[0],
        "modelId": judge.model,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "inferenceTypesSupported": ["ON_DEMAND" if judge.on_demand else "INFERENCE_PROFILE"],
        "modelLifecycle": {"status": judge.status},
    }
    return {"modelDetails": details}


def get_inference_profile(bedrock: Bedrock, scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer GetInferenceProfile for a judge that is one."""
    judge = bedrock.faults.judge(params["inferenceProfileIdentifier"])
    if judge is None or not judge.routes_to:
        raise ResourceNotFoundError(f"Inference profile {params['inferenceProfileIdentifier']} not found.")
    own, *models = arns_of(judge, scope)
    return {
        "inferenceProfileName": judge.model,
        "inferenceProfileArn": own,
        "inferenceProfileId": judge.model,
        "models": [{"modelArn": arn} for arn in models],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
