"""Render chats with a chat template in the sandbox of Bedrock's transformers, as a process with limits of its own.

A template is a program of whoever made the checkpoint: it may loop for ever or fill the memory while it is compiled
already. Reads a job as JSON from standard input, writes ``ready`` and one line of JSON for each chat.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from contextlib import suppress
from typing import Any

MAX_MESSAGE = 300
READY = "ready"


def main() -> None:
    """Render each chat of the job, one after the other."""
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

    job = json.load(sys.stdin)
    _limit(job["cpu_seconds"], job["memory_bytes"])
    _write(READY)
    for chat in job["chats"]:
        _write(json.dumps(_render(PreTrainedTokenizerBase, job["template"], job["tokens"], chat)))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    spent = int(time.process_time()) + 1  # by the imports
    limits = {
        resource.RLIMIT_CPU: spent + cpu_seconds,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(kind, (limit, limit))


def _render(tokenizer_class: Any, template: Any, tokens: dict[str, Any], chat: dict[str, Any]) -> dict[str, Any]:
    """Return why the chat could not be rendered, if so, and whether its text is in the prompt."""
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


if __name__ == "__main__":
    main()
