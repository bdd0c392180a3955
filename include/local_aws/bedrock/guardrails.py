"""Guardrails that a test scripts: words that neither a question nor an answer may hold."""

from __future__ import annotations

from dataclasses import replace

from include.local_aws.bedrock.inference import Finish, Inference, InferenceRequest
from include.local_aws.bedrock.scripts import Guardrail
from include.local_aws.bedrock.streaming import Prepared

STOP_REASON = "guardrail_intervened"


def run_guarded(guardrail: Guardrail | None, request: InferenceRequest, prepared: Prepared) -> tuple[Inference, bool]:
    """Return the answer, or the guardrail's message in its place, and whether the guardrail intervened."""
    asked = " ".join([request.prompt, *(message["content"] for message in request.messages)])
    if guardrail and _is_blocked(guardrail, asked):
        return Inference(guardrail.message, Finish.END_OF_TURN, prepared.prompt_tokens, 0), True
    inference = prepared.run(lambda text, tokens: True)
    if guardrail and _is_blocked(guardrail, inference.text):
        return replace(inference, text=guardrail.message), True
    return inference, False


def _is_blocked(guardrail: Guardrail, text: str) -> bool:
    return any(word.lower() in text.lower() for word in guardrail.blocked)
