"""Look up in hints.json what to do about an error of a training job."""

from __future__ import annotations

from pathlib import Path

from aws_waits import hints
from aws_waits.hints import Hint

HINTS = Path(__file__).with_name("hints.json")


def find_hint(code: str | None, message: str | None) -> Hint | None:
    """Return the first hint for an error code or the code of a FailureReason, a message, or both."""
    return hints.find_hint(HINTS, code, message)
