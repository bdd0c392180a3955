"""The names of a job's attempts: the name of a job stays taken for ever, so each attempt has its own."""

from __future__ import annotations

from dataclasses import dataclass

MAX_JOB_NAME_LENGTH = 63


@dataclass(frozen=True)
class FreeAttempt:
    """The first attempt whose job name is free."""

    number: int


def numbered(name: str, attempt: int, max_length: int) -> str:
    """Return the name for an attempt: unchanged for the first, then ``name-2``, ``name-3``, within the length limit."""
    suffix = "" if attempt == 1 else f"-{attempt}"
    return name[: max_length - len(suffix)] + suffix
