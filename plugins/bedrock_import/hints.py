"""Look up in hints.json what to do about a Bedrock error."""

from __future__ import annotations

from pathlib import Path

from aws_waits import hints
from aws_waits.hints import Hint

_HINTS = Path(__file__).with_name("hints.json")


def load_hints() -> tuple[Hint, ...]:
    """Return the hints of this package, the more specific first."""
    return hints.load_hints(_HINTS)


def find_hint(code: str | None, message: str | None) -> Hint | None:
    """Return the first hint for an error code, a failureMessage, or both."""
    return hints.find_hint(_HINTS, code, message)
