"""The body formats of InvokeModel: what each takes, and how each writes an answer or a piece of one.

Source: "Invoke your imported model" in the Bedrock User Guide; the oldest is that of Mistral models imported before
2025-11-11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from include.local_aws.bedrock.body import STOP_REASONS, Body, Piece
from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import Inference, InferenceRequest
from include.local_aws.bedrock.logprob_members import by_token_id
from include.local_aws.bedrock.openai_formats import OpenAiChatCompletion, OpenAiCompletion
from include.local_aws.bedrock.refused_parameters import refuse_parameters

MAX_BODY_BYTES = 25 * 1024 * 1024


class BedrockCompletion(Body):
    """prompt and max_gen_len, as for Bedrock's Llama models."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = {
        "structured_outputs": "use response_format, or max_tokens in place of max_gen_len",
        "logprobs": "use return_logprobs",
        "top_logprobs": "use return_logprobs",
        "prompt_logprobs": "use return_logprobs",
        "max_completion_tokens": "use max_gen_len",
    }

    prompt: str
    temperature: float | None = Field(None, ge=0, le=1)
    max_gen_len: int | None = Field(None, ge=1)
    return_logprobs: bool = False

    def request(self) -> InferenceRequest:
        asked = 0 if self.return_logprobs else None
        return InferenceRequest(
            prompt=self.prompt, max_tokens=self.max_gen_len, logprobs=asked, prompt_logprobs=asked, **self._sampling()
        )

    def answer(self, inference: Inference, model: str) -> dict[str, Any]:
        of_prompt = {"prompt_logprobs": by_token_id(inference.prompt)} if self.return_logprobs else {}
        return {
            "generation": inference.text,
            "prompt_token_count": inference.prompt_tokens,
            "generation_token_count": inference.generated_tokens,
            "stop_reason": STOP_REASONS[inference.finish],
            "logprobs": by_token_id(inference.tokens),
            **of_prompt,
        }

    def piece(self, piece: Piece, model: str) -> dict[str, Any]:
        return {
            "generation": piece.text,
            "prompt_token_count": piece.prompt_tokens,
            "generation_token_count": piece.tokens,
            "stop_reason": piece.stop_reason,
            "logprobs": None,
        }


class LegacyCompletion(Body):
    """prompt and max_tokens, answered with outputs."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "response_format", "structured_outputs", "logprobs", "top_logprobs", "prompt_logprobs", "return_logprobs",
            "max_completion_tokens",
        ),
        "only models imported since 2025-11-11 have it",
    )  # fmt: skip

    prompt: str
    temperature: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)

    def request(self) -> InferenceRequest:
        return InferenceRequest(prompt=self.prompt, max_tokens=self.max_tokens, **self._sampling())

    def answer(self, inference: Inference, model: str) -> dict[str, Any]:
        return {"outputs": [{"text": inference.text, "stop_reason": STOP_REASONS[inference.finish]}]}

    def piece(self, piece: Piece, model: str) -> dict[str, Any]:
        return {"outputs": [{"text": piece.text, "stop_reason": piece.stop_reason}]}


def read_body(body: bytes, legacy: bool) -> Body:
    """Return the body in the format that its members choose. Raises InvalidRequestError.

    messages choose the chat; prompt with max_tokens the completion (the older one when `legacy`); prompt with
    max_gen_len, or with neither, Bedrock's own.
    """
    members = _members(body)
    kind = _choose(members, legacy)
    refuse_parameters(members, kind.__name__, kind.ELSEWHERE)
    try:
        return kind.model_validate(members)
    except ValidationError as error:
        problems = ("#/{}: {}".format("/".join(map(str, e["loc"])), e["msg"]) for e in error.errors())
        raise InvalidRequestError(f"Malformed input request: {'; '.join(problems)}. Reformat your input.") from error


def _members(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise InvalidRequestError(f"The body has {len(body)} bytes; it must have at most {MAX_BODY_BYTES}.")
    try:
        members = json.loads(body)
    except ValueError as error:
        raise InvalidRequestError(f"Malformed input request: the body is not JSON ({error}).") from error
    if not isinstance(members, dict):
        raise InvalidRequestError("Malformed input request: the body is not a JSON object.")
    return members


def _choose(members: Mapping[str, Any], legacy: bool) -> type[Body]:
    if "messages" in members and "prompt" in members:
        raise InvalidRequestError("Malformed input request: give either prompt or messages, not both.")
    if "messages" in members:
        return OpenAiChatCompletion
    if "prompt" not in members:
        raise InvalidRequestError("Malformed input request: #: required key [prompt] or [messages] not found.")
    if "max_tokens" not in members:
        return BedrockCompletion
    if "max_gen_len" in members:
        raise InvalidRequestError("Malformed input request: give either max_gen_len or max_tokens, not both.")
    return LegacyCompletion if legacy else OpenAiCompletion
