"""The formats of training data: what a record of each holds, and how it becomes a conversation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from include.config.training import Format
from include.evaluation.dataset import has_surrogates
from include.evaluation.dataset_formats import Row
from include.evaluation.qa_accuracy import ALTERNATIVES_DELIMITER
from include.training.conversations import ASSISTANT, ROLES, SYSTEM, USER, Conversation, Message
from include.training.errors import NoAssistantTurnError, TrainingColumnsError, TrainingMessageError

#: Keys of a message that change what it says, or whether it is trained; without them it would mean another thing.
UNSUPPORTED_KEYS = ("tool_calls", "function_call", "tool_call_id", "weight")


def read_conversation(uri: str, data_format: Format, row: Row) -> Conversation | None:
    """Return the conversation of a row, up to the assistant's last message; None where a question or answer is blank.

    Raises:
        TrainingColumnsError: a column of the format is missing.
        TrainingMessageError: a value is no text, or a role is unknown.
        NoAssistantTurnError: the assistant says nothing.
    """
    where = f"{uri}, {row.place}"
    messages = _READERS[data_format](where, row.values)
    last = max((place for place, message in enumerate(messages) if message.role == ASSISTANT), default=None)
    if last is None:
        raise NoAssistantTurnError(where, tuple(message.role for message in messages))
    kept = messages[: last + 1]  # nothing after it is trained
    if any(not message.content.strip() for message in kept if message.role != SYSTEM):
        return None
    return Conversation(row.place, tuple(message for message in kept if message.content.strip()))


def _openorca(where: str, values: Mapping[str, Any]) -> list[Message]:
    _require(where, "openorca", values, "question", "response")
    return [
        Message(SYSTEM, _text(where, "system_prompt", values.get("system_prompt"))),
        Message(USER, _text(where, "question", values["question"])),
        Message(ASSISTANT, _target(where, "response", values["response"])),
    ]


def _prompt_completion(where: str, values: Mapping[str, Any]) -> list[Message]:
    """The columns of the project's evaluation data sets, question and answer, are read as well."""
    prompt, completion = ("question", "answer") if "question" in values else ("prompt", "completion")
    _require(where, "prompt_completion", values, prompt, completion, said="prompt and completion (or question, answer)")
    return [
        Message(USER, _text(where, prompt, values[prompt])),
        Message(ASSISTANT, _target(where, completion, values[completion])),
    ]


def _instruction(where: str, values: Mapping[str, Any]) -> list[Message]:
    """What Alpaca has: an instruction, and for some records an input that it is about."""
    _require(where, "instruction", values, "instruction", "output")
    parts = (_text(where, name, values.get(name)) for name in ("instruction", "input"))
    return [
        Message(SYSTEM, _text(where, "system", values.get("system"))),
        Message(USER, "\n\n".join(part for part in parts if part.strip())),
        Message(ASSISTANT, _target(where, "output", values["output"])),
    ]


def _messages(where: str, values: Mapping[str, Any]) -> list[Message]:
    """A list of messages, in CSV as JSON."""
    _require(where, "messages", values, "messages")
    found = values["messages"]
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError as error:
            raise TrainingMessageError(where, "messages as a JSON array", str(error)) from error
    if not isinstance(found, list):
        raise TrainingMessageError(where, "a list of messages", type(found).__name__)
    return [_message(f"{where}, message {number}", message) for number, message in enumerate(found, start=1)]


def _message(where: str, message: Any) -> Message:
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        found = ", ".join(message) if isinstance(message, dict) else type(message).__name__
        raise TrainingMessageError(where, "an object with role and content", found or "nothing")
    if message["role"] not in ROLES:
        raise TrainingMessageError(where, f"a role of {', '.join(ROLES)}", repr(message["role"]))
    if unsupported := [key for key in UNSUPPORTED_KEYS if message.get(key) is not None]:
        raise TrainingMessageError(where, "a message of text alone", f"the key {unsupported[0]}")
    return Message(message["role"], _text(where, "content", message["content"]))


def _require(where: str, data_format: str, values: Mapping[str, Any], *names: str, said: str = "") -> None:
    if not all(name in values for name in names):
        raise TrainingColumnsError(
            where, data_format, f"the columns {said or ' and '.join(names)}", ", ".join(values) or "no column"
        )


def _target(where: str, field: str, value: Any) -> str:
    """Return an answer; several accepted ones may be a list."""
    if not isinstance(value, list):
        return _text(where, field, value)
    return ALTERNATIVES_DELIMITER.join(_text(where, field, one) for one in value)


def _text(where: str, field: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):  # such as an answer that is a number
        return json.dumps(value)
    if not isinstance(value, str):
        raise TrainingMessageError(f"{where}, field {field!r}", "a text", type(value).__name__)
    if has_surrogates(value):
        raise TrainingMessageError(f"{where}, field {field!r}", "a text", "half of a character (a lone surrogate)")
    return value


_READERS: Mapping[Format, Callable[[str, Mapping[str, Any]], list[Message]]] = {
    "openorca": _openorca,
    "messages": _messages,
    "prompt_completion": _prompt_completion,
    "instruction": _instruction,
}
