"""Parse responses of an imported model: InvokeModel in its body formats, and Converse.

Body formats: https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-import-advanced-features.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.evaluation.errors import ResponseSchemaError
from include.evaluation.likelihood_errors import AnswerNotAChoiceError, LogprobsMissingError

GUARDRAIL_INTERVENED = "guardrail_intervened"
"""Converse's stop reason when a guardrail answered in the model's place; used for InvokeModel too, and a metric."""


@dataclass(frozen=True)
class Answer:
    """A model's answer; values that the body format does not report are None.

    ``logprobs`` are those of the last tokens of the prompt, oldest first, where they were asked for.
    """

    text: str
    stop_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    logprobs: tuple[float, ...] | None = None


_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _ResponseShape:
    """Paths of the values in a response: keys and list indexes from the top; an empty path means absent."""

    text: _Path
    stop_reason: _Path
    input_tokens: _Path = ()
    output_tokens: _Path = ()


_RESPONSE_SHAPES = (
    # OpenAIChatCompletion
    _ResponseShape(
        text=("choices", 0, "message", "content"),
        stop_reason=("choices", 0, "finish_reason"),
        input_tokens=("usage", "prompt_tokens"),
        output_tokens=("usage", "completion_tokens"),
    ),
    # OpenAICompletion
    _ResponseShape(
        text=("choices", 0, "text"),
        stop_reason=("choices", 0, "finish_reason"),
        input_tokens=("usage", "prompt_tokens"),
        output_tokens=("usage", "completion_tokens"),
    ),
    # BedrockCompletion
    _ResponseShape(
        text=("generation",),
        stop_reason=("stop_reason",),
        input_tokens=("prompt_token_count",),
        output_tokens=("generation_token_count",),
    ),
    # Mistral models that were imported before 2025-11-11
    _ResponseShape(text=("outputs", 0, "text"), stop_reason=("outputs", 0, "stop_reason")),
    # Converse
    _ResponseShape(
        text=("output", "message", "content", 0, "text"),
        stop_reason=("stopReason",),
        input_tokens=("usage", "inputTokens"),
        output_tokens=("usage", "outputTokens"),
    ),
    # Converse, of a model that shows its reasoning first
    _ResponseShape(
        text=("output", "message", "content", 1, "text"),
        stop_reason=("stopReason",),
        input_tokens=("usage", "inputTokens"),
        output_tokens=("usage", "outputTokens"),
    ),
)


def read_answer(body: Mapping[str, Any]) -> Answer:
    """Return the answer in a parsed response body; the first known shape that fits is used.

    Raises:
        ResponseSchemaError: there is no text where one is expected.
    """
    intervened = _at(("amazon-bedrock-guardrailAction",), body) == "INTERVENED"
    for shape in _RESPONSE_SHAPES:
        text = _at(shape.text, body)
        if isinstance(text, str):
            return Answer(
                text=text,
                stop_reason=GUARDRAIL_INTERVENED if intervened else _at(shape.stop_reason, body),
                input_tokens=_at(shape.input_tokens, body),
                output_tokens=_at(shape.output_tokens, body),
            )
    found = f"the fields {', '.join(sorted(body)) or '(none)'}" if isinstance(body, Mapping) else type(body).__name__
    raise ResponseSchemaError(found)


def prompt_logprobs(body: Any, most: int) -> tuple[float, ...]:
    """Return the log probabilities of at most ``most`` last tokens of the prompt.

    An entry holds the token itself and the likeliest in its place, by their ids: vLLM's form, in which the token itself
    has the higher rank of the two, or is the only one.

    Raises:
        LogprobsMissingError: the response has none, or in another form.
    """
    entries = _at(("choices", 0, "prompt_logprobs"), body)
    if not isinstance(entries, list) or not entries:
        raise LogprobsMissingError(type(entries).__name__)
    try:
        ranked = (max(entry.values(), key=lambda one: one["rank"]) for entry in entries[1:][-most:])
        return tuple(float(one["logprob"]) for one in ranked)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LogprobsMissingError(f"another form ({type(error).__name__})") from error


def require_choice(answer: Answer, choices: Sequence[str]) -> None:
    """Raise AnswerNotAChoiceError for an answer that is none of the choices; a guardrail's own words are excepted."""
    if choices and answer.text.strip() not in choices and answer.stop_reason != GUARDRAIL_INTERVENED:
        raise AnswerNotAChoiceError(answer.text)


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """Return ``text`` up to the first stop sequence, in case the model ignored them."""
    return text[: min((place for place in map(text.find, stop) if place >= 0), default=len(text))]


def _at(path: _Path, body: Any) -> Any:
    """Return the value at ``path``, or None when there is none."""
    value = body
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value if path else None
