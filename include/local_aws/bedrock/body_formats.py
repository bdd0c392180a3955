"""The body formats of InvokeModel: what each takes, and how each writes an answer or a piece of one.

Source: "Invoke your imported model" in the Bedrock User Guide; the oldest is that of Mistral models imported before
2025-11-11.
"""

from __future__ import annotations

import json
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import Finish, Inference, InferenceRequest

MAX_BODY_BYTES = 25 * 1024 * 1024

STOP_REASONS = {Finish.END_OF_TURN: "stop", Finish.STOP_SEQUENCE: "stop", Finish.MAX_TOKENS: "length"}


@dataclass(frozen=True)
class Piece:
    """A part of a streamed answer. The first has the prompt's tokens, the last the inference that is now complete."""

    text: str
    tokens: int
    prompt_tokens: int | None = None
    whole: Inference | None = None

    @property
    def stop_reason(self) -> str | None:
        return STOP_REASONS[self.whole.finish] if self.whole else None


class Body(BaseModel, ABC):
    """A request body, read, that knows how its answer is written.

    Unknown parameters are ignored, as the User Guide says of imported models.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=0)
    stop: str | list[str] | None = None

    @abstractmethod
    def request(self) -> InferenceRequest:
        """Return what is to be generated."""

    @abstractmethod
    def answer(self, inference: Inference) -> dict[str, Any]:
        """Return the whole answer."""

    @abstractmethod
    def piece(self, piece: Piece) -> dict[str, Any]:
        """Return one chunk of a streamed answer."""

    def _sampling(self) -> dict[str, Any]:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop": tuple(sequence for sequence in stop if sequence),
        }


class BedrockCompletion(Body):
    """prompt and max_gen_len, as for Bedrock's Llama models."""

    prompt: str
    temperature: float | None = Field(None, ge=0, le=1)
    max_gen_len: int | None = Field(None, ge=1)

    def request(self) -> InferenceRequest:
        return InferenceRequest(prompt=self.prompt, max_tokens=self.max_gen_len, **self._sampling())

    def answer(self, inference: Inference) -> dict[str, Any]:
        return {
            "generation": inference.text,
            "prompt_token_count": inference.prompt_tokens,
            "generation_token_count": inference.generated_tokens,
            "stop_reason": STOP_REASONS[inference.finish],
        }

    def piece(self, piece: Piece) -> dict[str, Any]:
        return {
            "generation": piece.text,
            "prompt_token_count": piece.prompt_tokens,
            "generation_token_count": piece.tokens,
            "stop_reason": piece.stop_reason,
        }


class LegacyCompletion(Body):
    """prompt and max_tokens, answered with outputs."""

    prompt: str
    temperature: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)

    def request(self) -> InferenceRequest:
        return InferenceRequest(prompt=self.prompt, max_tokens=self.max_tokens, **self._sampling())

    def answer(self, inference: Inference) -> dict[str, Any]:
        return {"outputs": [{"text": inference.text, "stop_reason": STOP_REASONS[inference.finish]}]}

    def piece(self, piece: Piece) -> dict[str, Any]:
        return {"outputs": [{"text": piece.text, "stop_reason": piece.stop_reason}]}


@dataclass(frozen=True)
class OpenAiIdentity:
    """The id and time that all parts of one answer carry."""

    prefix: str
    hex: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def envelope(self, kind: str, choice: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": f"{self.prefix}-{self.hex}",
            "object": kind,
            "created": self.created,
            "choices": [{"index": 0, **choice}],
        }


def _usage(inference: Inference) -> dict[str, int]:
    return {
        "prompt_tokens": inference.prompt_tokens,
        "completion_tokens": inference.generated_tokens,
        "total_tokens": inference.prompt_tokens + inference.generated_tokens,
    }


class OpenAiCompletion(Body):
    """prompt and max_tokens, answered like OpenAI's completions."""

    prompt: str
    max_tokens: int | None = Field(None, ge=1)
    _identity: OpenAiIdentity = PrivateAttr(default_factory=lambda: OpenAiIdentity("cmpl"))

    def request(self) -> InferenceRequest:
        return InferenceRequest(prompt=self.prompt, max_tokens=self.max_tokens, **self._sampling())

    def answer(self, inference: Inference) -> dict[str, Any]:
        choice = {"text": inference.text, "finish_reason": STOP_REASONS[inference.finish]}
        return {**self._identity.envelope("text_completion", choice), "usage": _usage(inference)}

    def piece(self, piece: Piece) -> dict[str, Any]:
        return self._identity.envelope("text_completion", {"text": piece.text, "finish_reason": piece.stop_reason})


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

    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    _identity: OpenAiIdentity = PrivateAttr(default_factory=lambda: OpenAiIdentity("chatcmpl"))

    def request(self) -> InferenceRequest:
        messages = tuple(message.as_chat() for message in self.messages)
        return InferenceRequest(messages=messages, max_tokens=self.max_tokens, **self._sampling())

    def answer(self, inference: Inference) -> dict[str, Any]:
        message = {"role": "assistant", "content": inference.text}
        choice = {"message": message, "finish_reason": STOP_REASONS[inference.finish]}
        return {**self._identity.envelope("chat.completion", choice), "usage": _usage(inference)}

    def piece(self, piece: Piece) -> dict[str, Any]:
        delta = {"content": piece.text} if piece.prompt_tokens is None else {"role": "assistant", "content": piece.text}
        choice = {"delta": delta, "finish_reason": piece.stop_reason}
        return self._identity.envelope("chat.completion.chunk", choice)


def read_body(body: bytes, legacy: bool) -> Body:
    """Return the body in the format that its members choose. Raises InvalidRequestError.

    messages choose the chat; prompt with max_tokens the completion (the older one when `legacy`); prompt with
    max_gen_len, or with neither, Bedrock's own.
    """
    members = _members(body)
    try:
        return _choose(members, legacy).model_validate(members)
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
