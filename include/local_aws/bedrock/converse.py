"""Converse and ConverseStream in terms of inference: messages in, messages and events out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import ChatMessage, Finish, Inference, InferenceRequest

NOT_EMULATED = (
    "toolConfig",
    "promptVariables",
    "outputConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
)
STOP_REASONS = {
    Finish.END_OF_TURN: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.MAX_TOKENS: "max_tokens",
}

Event = tuple[str, dict[str, Any]]


def read_conversation(params: Mapping[str, Any]) -> InferenceRequest:
    """Return what a Converse call asks for. Raises InvalidRequestError."""
    refused = [name for name in NOT_EMULATED if params.get(name)]
    if refused:
        raise InvalidRequestError(f"The stand-in for AWS does not emulate {', '.join(refused)} of Converse.")
    config = params.get("inferenceConfig", {})
    return InferenceRequest(
        messages=tuple(_messages(params)),
        max_tokens=config.get("maxTokens"),
        temperature=_as_float(config.get("temperature")),
        top_p=_as_float(config.get("topP")),
        stop=tuple(config.get("stopSequences", ())),
    )


def conversation_answer(inference: Inference, latency_ms: int) -> dict[str, Any]:
    """Return the body of a Converse answer."""
    message = {"role": "assistant", "content": [{"text": inference.text}]}
    return {"output": {"message": message}, "stopReason": STOP_REASONS[inference.finish]} | _tail(inference, latency_ms)


def opening_events() -> Iterator[Event]:
    """Yield what a stream begins with."""
    yield "messageStart", {"role": "assistant"}


def text_event(text: str) -> Event:
    """Return the event of one more piece of text."""
    return "contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": 0}


def closing_events(inference: Inference, latency_ms: int) -> Iterator[Event]:
    """Yield what a stream ends with."""
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": STOP_REASONS[inference.finish]}
    yield "metadata", _tail(inference, latency_ms)


def _tail(inference: Inference, latency_ms: int) -> dict[str, Any]:
    usage = {
        "inputTokens": inference.prompt_tokens,
        "outputTokens": inference.generated_tokens,
        "totalTokens": inference.prompt_tokens + inference.generated_tokens,
    }
    return {"usage": usage, "metrics": {"latencyMs": latency_ms}}


def _messages(params: Mapping[str, Any]) -> Iterator[ChatMessage]:
    messages = params.get("messages") or []
    if not messages:
        raise InvalidRequestError("The conversation has no messages; it must start with a user message.")
    if messages[0]["role"] != "user":
        raise InvalidRequestError("A conversation must start with a user message. Try again with one.")
    if messages[-1]["role"] != "user":
        raise InvalidRequestError("A conversation must end with a user message. Try again with one.")
    if params.get("system"):
        yield {"role": "system", "content": _text(params["system"])}
    for message in messages:
        yield {"role": message["role"], "content": _text(message["content"])}


def _text(blocks: list[Mapping[str, Any]]) -> str:
    others = sorted({name for block in blocks for name in block if name != "text"})
    if others:
        raise InvalidRequestError(f"This model takes text only; the message has content of type {', '.join(others)}.")
    return "".join(block["text"] for block in blocks)


def _as_float(value: float | None) -> float | None:
    return None if value is None else float(value)
