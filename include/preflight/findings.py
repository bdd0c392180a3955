"""What preflight finds: every misconfiguration at once, each with its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from include.errors import ModelImportError

Severity = Literal["error", "warning", "info"]


class Finding(NamedTuple):
    """One thing that is wrong, might be, or (``info``) is worth knowing."""

    severity: Severity
    check: str
    which: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        """The finding as one line for the log."""
        line = f"{self.severity.upper()} {self.check} ({self.which}): {self.found}"
        return f"{line.removesuffix('.')}. {self.remedy}" if self.remedy else line


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


def statement_text(statement: Mapping[str, Any]) -> str:
    """Return a policy statement as a remedy shows it: JSON to copy."""
    return json.dumps(statement)
