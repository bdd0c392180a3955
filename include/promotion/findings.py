"""One reason for or against a promotion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

#: In the order in which they are shown.
Effect = Literal["blocks", "asks", "passes", "informs"]
MARKS: Mapping[Effect, str] = {
    "blocks": "✗ blocks",
    "asks": "? needs review",
    "passes": "✓ passes",
    "informs": "· informs",
}


class Finding(BaseModel):
    """One reason, and whether it blocks a promotion, asks for a person's review, passes, or is only shown."""

    model_config = ConfigDict(frozen=True)

    effect: Effect
    reason: str

    @property
    def mark(self) -> str:
        """The effect with its sign, for people."""
        return MARKS[self.effect]


Findings = Iterator[Finding]


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that block, then those that ask, then the others; else in their order."""
    order = list(MARKS)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.effect)))
