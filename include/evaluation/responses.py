"""The bodies of InvokeModel for imported models: what is sent, and what comes back.

Body formats: https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-import-advanced-features.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from include.evaluation.errors import ResponseSchemaError

RequestFormat = Literal["OpenAICompletion", "BedrockCompletion", "OpenAIChatCompletion"]
ResponseFormat = Literal["OpenAICompletion", "BedrockCompletion", "OpenAIChatCompletion", "MistralCompletion"]

GREEDY_TEMPERATURE = 0.0


@dataclass(frozen=True)
class Answer:
    """What the model said; what a body format does not report is None."""

    text: str
    stop_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    body_format: ResponseFormat


_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _ResponseShape:
    """Where a body format keeps its values: keys and list positions from the top; the empty path is nowhere."""

    body_format: ResponseFormat
    text: _Path
    stop_reason: _Path
    input_tokens: _Path = ()
    output_tokens: _Path = ()


_RESPONSE_SHAPES = (
    _ResponseShape(
        "OpenAIChatCompletion",
        text=("choices", 0, "message", "content"),
        stop_reason=("choices", 0, "finish_reason"),
        input_tokens=("usage", "prompt_tokens"),
        output_tokens=("usage", "completion_tokens"),
    ),
    _ResponseShape(
        "OpenAICompletion",
        text=("choices", 0, "text"),
        stop_reason=("choices", 0, "finish_reason"),
        input_tokens=("usage", "prompt_tokens"),
        output_tokens=("usage", "completion_tokens"),
    ),
    _ResponseShape(
        "BedrockCompletion",
        text=("generation",),
        stop_reason=("stop_reason",),
        input_tokens=("prompt_token_count",),
        output_tokens=("generation_token_count",),
    ),
    # Mistral models that were imported before 2025-11-11.
    _ResponseShape("MistralCompletion", text=("outputs", 0, "text"), stop_reason=("outputs", 0, "stop_reason")),
)


def request_body(body_format: RequestFormat, prompt: str, max_tokens: int) -> dict[str, Any]:
    """Return the body that asks ``prompt`` greedily for at most ``max_tokens`` tokens."""
    fields: dict[RequestFormat, dict[str, Any]] = {
        "OpenAICompletion": {"prompt": prompt, "max_tokens": max_tokens},
        "BedrockCompletion": {"prompt": prompt, "max_gen_len": max_tokens},
        "OpenAIChatCompletion": {"messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens},
    }
    return fields[body_format] | {"temperature": GREEDY_TEMPERATURE}


def read_answer(body: Mapping[str, Any]) -> Answer:
    """Return the answer in a parsed response body of any known shape, the first that fits.

    Raises:
        ResponseSchemaError: there is no text where one is expected.
    """
    for shape in _RESPONSE_SHAPES:
        text = _at(shape.text, body)
        if isinstance(text, str):
            return Answer(
                text=text,
                stop_reason=_at(shape.stop_reason, body),
                input_tokens=_at(shape.input_tokens, body),
                output_tokens=_at(shape.output_tokens, body),
                body_format=shape.body_format,
            )
    found = f"the fields {', '.join(sorted(body)) or '(none)'}" if isinstance(body, Mapping) else type(body).__name__
    raise ResponseSchemaError(found)


def _at(path: _Path, body: Any) -> Any:
    """Return the value at ``path``, or None when there is none."""
    value = body
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value if path else None
