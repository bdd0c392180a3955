"""Parse an imported model's answer to the smoke prompt: the text and the body format.

Body formats: https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-import-advanced-features.html
"""

from __future__ import annotations

import json
from typing import Any

#: Harmless, and understood by a model of any body format.
SMOKE_PROMPT: dict[str, Any] = {"prompt": "Hello", "max_tokens": 16, "temperature": 0}
#: More of an answer is not carried along.
LONGEST_ANSWER = 500
_Path = tuple[str | int, ...]
#: Where each body format keeps the text. The last is of Mistral models imported before 2025-11-11.
_TEXTS: tuple[tuple[str, _Path], ...] = (
    ("OpenAIChatCompletion", ("choices", 0, "message", "content")),
    ("OpenAICompletion", ("choices", 0, "text")),
    ("BedrockCompletion", ("generation",)),
    ("MistralCompletion", ("outputs", 0, "text")),
)


def read_answer(payload: bytes) -> dict[str, str | None]:
    """Return the ``answer``, cut at 500 characters, and its ``body_format``; None if the shape is not known."""
    try:
        body = json.loads(payload)
    except ValueError:
        body = None
    for body_format, path in _TEXTS:
        text = _at(path, body)
        if isinstance(text, str):
            return {"answer": text[:LONGEST_ANSWER], "body_format": body_format}
    return {"answer": None, "body_format": None}


def _at(path: _Path, value: Any) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
