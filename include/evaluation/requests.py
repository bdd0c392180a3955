"""Build requests to an imported model: InvokeModel in its body formats, and Converse.

Body formats: https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-import-advanced-features.html
Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from include.evaluation.prompts import completion_prompt, conversation, with_answer
from include.evaluation.results import PromptSettings

RequestFormat = Literal["OpenAICompletion", "BedrockCompletion", "OpenAIChatCompletion", "Converse"]
#: https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-import-advanced-features.html
CHOICE_FORMATS: tuple[RequestFormat, ...] = ("OpenAICompletion", "OpenAIChatCompletion")
CHAT_FORMATS: tuple[RequestFormat, ...] = ("OpenAIChatCompletion", "Converse")


def request(settings: PromptSettings, question: str, answer: str = "") -> dict[str, Any]:
    """Return the parameters of the Converse or InvokeModel call that asks ``question``, without the model id.

    Args:
        settings: how it is asked.
        question: what is asked.
        answer: whose log probabilities are asked for, if the settings say so.

    Raises:
        PromptTemplateError: the template cannot be filled.
        PromptEndError: no answer can follow the prompt.
    """
    if settings.body_format == "Converse":
        return _converse(settings, question)
    body = _BODIES[settings.body_format](settings, question) | {"temperature": settings.temperature}
    body |= {"stop": list(settings.stop)} if settings.stop else {}
    body |= {"structured_outputs": {"choice": list(settings.choices)}} if settings.choices else {}
    if settings.likelihood:
        body |= {"prompt": with_answer(body["prompt"], answer), "prompt_logprobs": 1}
    return {
        "body": json.dumps(body).encode(),
        "contentType": "application/json",
        "accept": "application/json",
    } | _guardrail(settings)


def _open_ai_completion(settings: PromptSettings, question: str) -> dict[str, Any]:
    return {"prompt": completion_prompt(settings, question), "max_tokens": settings.max_tokens}


def _bedrock_completion(settings: PromptSettings, question: str) -> dict[str, Any]:
    return {"prompt": completion_prompt(settings, question), "max_gen_len": settings.max_tokens}


def _open_ai_chat_completion(settings: PromptSettings, question: str) -> dict[str, Any]:
    system = [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt else []
    messages = [{"role": role, "content": text} for role, text in conversation(settings, question)]
    return {"messages": system + messages, "max_tokens": settings.max_tokens}


_BODIES: Mapping[str, Callable[[PromptSettings, str], dict[str, Any]]] = {
    "OpenAICompletion": _open_ai_completion,
    "BedrockCompletion": _bedrock_completion,
    "OpenAIChatCompletion": _open_ai_chat_completion,
}


def _converse(settings: PromptSettings, question: str) -> dict[str, Any]:
    messages = [{"role": role, "content": [{"text": text}]} for role, text in conversation(settings, question)]
    stop = {"stopSequences": list(settings.stop)} if settings.stop else {}
    guardrail = _guardrail(settings)
    return {
        "messages": messages,
        "inferenceConfig": {"maxTokens": settings.max_tokens, "temperature": settings.temperature} | stop,
        **({"system": [{"text": settings.system_prompt}]} if settings.system_prompt else {}),
        **({"guardrailConfig": guardrail} if guardrail else {}),
    }


def _guardrail(settings: PromptSettings) -> dict[str, str]:
    if settings.guardrail_id is None:
        return {}
    return {"guardrailIdentifier": settings.guardrail_id, "guardrailVersion": settings.guardrail_version or "DRAFT"}


def rendered(settings: PromptSettings, question: str) -> str:
    """Return what the model is asked, as a person reads it: the one text, or the turns of the conversation."""
    if settings.body_format not in CHAT_FORMATS:
        return completion_prompt(settings, question)
    system = [("system", settings.system_prompt)] if settings.system_prompt else []
    return "\n".join(f"{role}: {text}" for role, text in [*system, *conversation(settings, question)])
