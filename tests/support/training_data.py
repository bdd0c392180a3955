"""A model's file that trains the demo's base, and training data for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from include.config.account import AccountConfig
from include.config.model import parse_model_config
from include.run.workspace import PROJECT_ROOT
from include.training.conversations import Conversation, Message
from include.training.preparation import Preparation

DEMO = PROJECT_ROOT / "include" / "demo"
BASE = DEMO / "base"
MODEL: dict[str, Any] = {
    "model_name": "capitals",
    "base": "include/demo/base",
    "evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "prompt_template": "[INST] {question} [/INST]"},
}


def asked(question: str, answer: str, place: str = "line 1", system: str | None = None) -> Conversation:
    """Return a conversation of one turn."""
    before = (Message("system", system),) if system else ()
    return Conversation(place, (*before, Message("user", question), Message("assistant", answer)))


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write the rows as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def preparation(folder: Path, rows: Sequence[dict[str, Any]], out: str = "out", **training: Any) -> Preparation:
    """Return a preparation of these rows, by default prompt and completion, for the demo's base."""
    data = write_jsonl(folder / "train.jsonl", rows)
    section = {"data": str(data), "format": "prompt_completion", "held_out": 0.2, "max_sequence_length": 64, **training}
    evaluation = section.pop("evaluation", {})
    values = {**MODEL, "evaluation": {**MODEL["evaluation"], **evaluation}, "training": section}
    account = AccountConfig(local_folders=str(folder))
    return Preparation(parse_model_config(values, "a test"), account, BASE, folder / out, report=lambda _: None)
