"""Check that Bedrock's transformers renders chats with the chat template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.transformers_process import ask_transformers
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.json_files import read_json, read_text
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.limited_process import Limits

CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
TEMPLATE_JSON = "chat_template.json"
# The largest templates of the supported families take milliseconds and a few megabytes.
LIMITS = Limits(seconds=5, memory_bytes=128 * 2**20, output_bytes=64 * 2**20)

_ASKED = "Which river is the longest"
_USER = {"role": "user", "content": _ASKED}
_PARTS = {"role": "user", "content": [{"type": "text", "text": _ASKED}]}
_TOOL = {
    "type": "function",
    "function": {
        "name": "find_river",
        "description": "Find a river",
        "parameters": {"type": "object", "properties": {"name": {"type": "string", "description": "Its name"}}},
    },
}
_ANSWERED = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}]
_SYSTEM = {"role": "system", "content": "Answer in one word"}
ONE_TURN, PARTS = "one user message", "one user message as a list of parts"
CHATS: dict[str, dict[str, Any]] = {
    ONE_TURN: {"messages": [_USER], "tools": None, "text": _ASKED},
    PARTS: {"messages": [_PARTS], "tools": None, "text": _ASKED},
    "several turns": {"messages": [*_ANSWERED, _USER], "tools": None, "text": _ASKED},
    "a system message": {"messages": [_SYSTEM, _USER], "tools": None, "text": _ASKED},
    "tools": {"messages": [_USER], "tools": [_TOOL], "text": _ASKED},
}


@dataclass(frozen=True)
class Rendering:
    """Why a chat was not rendered, or None; ``shown`` is whether its last message is in the prompt."""

    error: str | None
    shown: bool = False

    @property
    def problem(self) -> str | None:
        """Return what is wrong with the prompt, or None."""
        return self.error or (None if self.shown else "the message is not in the prompt")


def template_defects(checkpoint: Checkpoint, tokens: Mapping[str, Any], reader: RangeReader) -> Iterator[Defect]:
    """Yield defects of the chat templates; ``tokens`` are the tokenizer's special tokens by name."""
    outside = [name for name in (TEMPLATE, TEMPLATE_JSON) if name in checkpoint.names()]
    templates: dict[str, Any] = {}
    for name in (CONFIG, *outside):
        try:
            templates[name] = _template(name, checkpoint, reader)
        except Defect as defect:
            yield defect
            return
    inside = templates.pop(CONFIG)
    if not inside and not outside:
        yield defects.ChatTemplateMissingWarning(CONFIG, "chat_template", "none")
    if outside and not inside:
        yield defects.ChatTemplateOutsideWarning(outside[0], f"chat_template in {CONFIG}", "this file")
    if outside and inside:
        yield defects.ChatTemplateTwiceWarning(outside[0], f"a chat template in {CONFIG} only", "one here, too")
    for name, template in {**({CONFIG: inside} if inside else {}), **templates}.items():
        yield from _rendering_defects(name, template, tokens)


def _template(name: str, checkpoint: Checkpoint, reader: RangeReader) -> Any:
    if name == TEMPLATE:
        return read_text(checkpoint.file(name), reader)
    return read_json(checkpoint.file(name), reader).get("chat_template")


def _rendering_defects(name: str, template: Any, tokens: Mapping[str, Any]) -> Iterator[Defect]:
    rendered = dict(zip(CHATS, _render(json.dumps(template), json.dumps(tokens)), strict=True))
    one, parts = rendered.pop(ONE_TURN), rendered.pop(PARTS)
    if one.problem and parts.problem:
        yield defects.ChatTemplateInvalidError(name, f"a prompt for {ONE_TURN}", one.problem)
        return
    if one.problem:
        yield defects.ChatTemplatePartsWarning(name, f"a prompt for {ONE_TURN}", one.problem)
    failed = [f"{chat} ({result.error})" for chat, result in rendered.items() if result.error]
    if failed:
        yield defects.ChatTemplateLimitedWarning(name, f"prompts for {', '.join(rendered)}", "; ".join(failed))


@lru_cache(maxsize=32)
def _render(template: str, tokens: str) -> tuple[Rendering, ...]:
    """Return the rendering of each of CHATS, in a process with limits; the arguments are JSON."""
    job = {"template": json.loads(template), "tokens": json.loads(tokens), "chats": list(CHATS.values())}
    values, ended = ask_transformers("chats", LIMITS, **job)
    results = [Rendering(**value) for value in values]
    return (*results, *[Rendering(ended)] * (len(CHATS) - len(results)))
