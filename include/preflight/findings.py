"""What preflight finds: every misconfiguration at once, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from include.errors import ModelImportError


class Finding(NamedTuple):
    """One thing that is wrong, or might be."""

    severity: Literal["error", "warning"]
    check: str
    which: str
    found: str
    remedy: str

    def line(self) -> str:
        """The finding as one line for the log."""
        return f"{self.severity.upper()} {self.check} ({self.which}): {self.found}. {self.remedy}"


class PreflightFailedError(ModelImportError):
    """The run would fail later: nothing was started."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            f"Preflight found {len(self.findings)} problem(s), nothing was started",
            found="\n  " + "\n  ".join(finding.line() for finding in self.findings),
        )


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Raise PreflightFailedError with all errors; warnings alone pass."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise PreflightFailedError(errors)
