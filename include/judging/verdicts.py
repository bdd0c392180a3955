"""Read the judge's reply strictly: one JSON object with a verdict, or no verdict at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Choice = Literal["answer_1", "answer_2", "tie"]
_CHOICES: Mapping[str, Choice] = {"answer_1": "answer_1", "answer_2": "answer_2", "tie": "tie"}
#: Many models put JSON into a code block, whatever they are asked for.
_CODE_BLOCK = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_MEMBERS = {"reason", "verdict"}


class Verdict(NamedTuple):
    """What the judge chose, and why."""

    choice: Choice
    reason: str


def read_verdict(text: str) -> Verdict | None:
    """Return the verdict, or None when the text is not one JSON object of the form that was asked for.

    One code block around the object is accepted. Another text around it, further or repeated members and another
    verdict are not: what is not certain is no verdict.
    """
    text = text.strip()
    block = _CODE_BLOCK.fullmatch(text)
    try:
        found = json.loads(block[1] if block else text, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not found.keys() <= _MEMBERS:
        return None
    verdict, reason = found.get("verdict"), found.get("reason", "")
    if not isinstance(verdict, str) or verdict not in _CHOICES or not isinstance(reason, str):
        return None
    return Verdict(_CHOICES[verdict], reason)


def _without_repetition(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a member is there twice")
    return found
