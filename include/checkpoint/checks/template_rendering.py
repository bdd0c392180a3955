"""Render chats with a chat template in the sandbox of Bedrock's transformers.

A template is a program of whoever made the checkpoint: it may loop for ever or fill the memory while it is compiled
already, so that it is rendered in a process with limits only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_MESSAGE = 300


def render_chats(template: Any, tokens: dict[str, Any], chats: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield for each chat why it could not be rendered, if so, and whether its text is in the prompt."""
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

    for chat in chats:
        yield _render(PreTrainedTokenizerBase, template, tokens, chat)


def _render(tokenizer_class: Any, template: Any, tokens: dict[str, Any], chat: dict[str, Any]) -> dict[str, Any]:
    try:
        tokenizer = tokenizer_class(chat_template=template)
        text = tokenizer.apply_chat_template(
            chat["messages"], tools=chat["tools"], tokenize=False, add_generation_prompt=True, **tokens
        )
        return {"error": None, "shown": chat["text"] in text}
    except Exception as error:  # whatever a template raises, it does not render
        line = getattr(error, "lineno", None)
        said = f"{type(error).__name__}: {error}"[:MAX_MESSAGE] + (f" (line {line})" if line else "")
        return {"error": said, "shown": False}
