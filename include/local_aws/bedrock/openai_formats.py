"""The body formats that are OpenAI's, with the members that vLLM adds to them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, model_validator

from include.local_aws.bedrock.body import STOP_REASONS, Body, Piece
from include.local_aws.bedrock.inference import Inference, InferenceRequest
from include.local_aws.bedrock.logprob_members import chat_logprobs, completion_logprobs, prompt_logprobs

#: vLLM's own bound of logprobs and top_logprobs.
MOST_ALTERNATIVES = 20


@dataclass(frozen=True)
class OpenAiIdentity:
    """The id and time that all parts of one answer carry."""

    prefix: str
    hex: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def envelope(self, kind: str, model: str, choice: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": f"{self.prefix}-{self.hex}",
            "object": kind,
            "created": self.created,
            "model": model,
            "choices": [{"index": 0, "logprobs": None, **choice}],
        }


def _ending(inference: Inference) -> dict[str, Any]:
    """The members of a whole answer that follow its choices."""
    return {
        "usage": {
            "prompt_tokens": inference.prompt_tokens,
            "completion_tokens": inference.generated_tokens,
            "total_tokens": inference.prompt_tokens + inference.generated_tokens,
            "prompt_tokens_details": None,
        },
        "service_tier": None,
        "system_fingerprint": None,
    }


class OpenAiCompletion(Body):
    """prompt and max_tokens, answered like OpenAI's completions."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = {
        "return_logprobs": "use logprobs and prompt_logprobs",
        "top_logprobs": "use logprobs, a number",
        "max_completion_tokens": "use max_tokens",
    }

    prompt: str
    max_tokens: int | None = Field(None, ge=1)
    logprobs: int | None = Field(None, ge=0, le=MOST_ALTERNATIVES)
    prompt_logprobs: int | None = Field(None, ge=0, le=MOST_ALTERNATIVES)
    _identity: OpenAiIdentity = PrivateAttr(default_factory=lambda: OpenAiIdentity("cmpl"))

    def request(self) -> InferenceRequest:
        return InferenceRequest(
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            logprobs=self.logprobs,
            prompt_logprobs=self.prompt_logprobs,
            **self._sampling(),
        )

    def answer(self, inference: Inference, model: str) -> dict[str, Any]:
        choice: dict[str, Any] = {
            "text": inference.text,
            "logprobs": completion_logprobs(inference.tokens),
            "finish_reason": STOP_REASONS[inference.finish],
            "prompt_logprobs": prompt_logprobs(inference.prompt),
        }
        return self._identity.envelope("text_completion", model, choice) | _ending(inference)

    def piece(self, piece: Piece, model: str) -> dict[str, Any]:
        choice: dict[str, Any] = {"text": piece.text, "finish_reason": piece.stop_reason}
        return self._identity.envelope("text_completion", model, choice)


class TextPart(BaseModel):
    """A part of a message; the stand-in reads text only."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart]

    def as_chat(self) -> dict[str, str]:
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": text}


class OpenAiChatCompletion(Body):
    """messages and max_tokens, answered like OpenAI's chat completions."""

    ELSEWHERE: ClassVar[Mapping[str, str]] = {"return_logprobs": "use logprobs: true, and prompt_logprobs"}

    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=MOST_ALTERNATIVES)
    prompt_logprobs: int | None = Field(None, ge=0, le=MOST_ALTERNATIVES)
    _identity: OpenAiIdentity = PrivateAttr(default_factory=lambda: OpenAiIdentity("chatcmpl"))

    @model_validator(mode="after")
    def _alternatives_are_of_something(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        return self

    def request(self) -> InferenceRequest:
        return InferenceRequest(
            messages=tuple(message.as_chat() for message in self.messages),
            max_tokens=self.max_completion_tokens or self.max_tokens,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            prompt_logprobs=self.prompt_logprobs,
            **self._sampling(),
        )

    def answer(self, inference: Inference, model: str) -> dict[str, Any]:
        choice: dict[str, Any] = {
            "message": {"role": "assistant", "content": inference.text, "refusal": None, "tool_calls": []},
            "logprobs": chat_logprobs(inference.tokens),
            "finish_reason": STOP_REASONS[inference.finish],
        }
        of_prompt = {"prompt_logprobs": prompt_logprobs(inference.prompt)}
        return self._identity.envelope("chat.completion", model, choice) | _ending(inference) | of_prompt

    def piece(self, piece: Piece, model: str) -> dict[str, Any]:
        delta = {"content": piece.text} if piece.prompt_tokens is None else {"role": "assistant", "content": piece.text}
        choice: dict[str, Any] = {"delta": delta, "finish_reason": piece.stop_reason}
        return self._identity.envelope("chat.completion.chunk", model, choice)
