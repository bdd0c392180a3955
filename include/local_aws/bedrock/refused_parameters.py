"""Parameters of a body that are refused: a request that would be answered as if they were not there misleads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from include.local_aws.bedrock.errors import InvalidRequestError

#: Documented for imported models, by OpenAI's reference to which the User Guide refers, and not emulated; and the
#: values with which each changes nothing.
NOT_EMULATED: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "n": (1,),
    "prediction": (),
    "presence_penalty": (0,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "web_search_options": (),
}


def refuse_parameters(members: Mapping[str, Any], body_format: str, elsewhere: Mapping[str, str]) -> None:
    """Raise InvalidRequestError for parameters that are of another format, or not emulated; all are named.

    Args:
        members: of the body.
        body_format: its name.
        elsewhere: parameters of other formats, and what stands for them in this one.
    """
    given = {name: value for name, value in members.items() if value is not None}
    foreign = [f"#/{name}: not a parameter of {body_format}: {elsewhere[name]}" for name in given if name in elsewhere]
    if foreign:
        raise InvalidRequestError(f"Malformed input request: {'; '.join(foreign)}. Reformat your input.")
    missing = [name for name, harmless in NOT_EMULATED.items() if name in given and given[name] not in harmless]
    missing += sorted(set(_other_parts(given.get("messages"))))
    if missing:
        raise InvalidRequestError(f"The stand-in for AWS does not emulate {', '.join(missing)} of {body_format}.")


def _other_parts(messages: Any) -> Iterator[str]:
    """Yield the types of the parts of messages that are no text, and the roles and members of tool calls."""
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, dict) and part.get("type", "text") != "text":
                yield f"parts of type {part['type']}"
        if message.get("tool_calls") or message.get("role") == "tool":
            yield "tool calls"
