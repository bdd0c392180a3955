"""Look up in a plugin's hints.json what to do about an error. Hints are advice; no decision depends on them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Hint:
    """A piece of advice, and the error code and message pattern that it applies to."""

    advice: str
    see: str
    code: str | None = None
    message: str | None = None

    def fits(self, code: str | None, message: str) -> bool:
        """Return whether the hint applies to this error."""
        if self.code is not None and self.code != code:
            return False
        return self.message is None or re.search(self.message, message, re.IGNORECASE) is not None


@cache
def load_hints(path: Path) -> tuple[Hint, ...]:
    """Return the hints of a file, the more specific first."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Hint(**entry) for entry in data["hints"])


def find_hint(path: Path, code: str | None, message: str | None) -> Hint | None:
    """Return a file's first hint for an error code, a failure message, or both."""
    return next((hint for hint in load_hints(path) if hint.fits(code, message or "")), None)
