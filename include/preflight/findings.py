"""What preflight finds: every misconfiguration at once, each with its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import Any, Literal, NamedTuple

from include.errors import ModelImportError

Severity = Literal["error", "warning", "info"]


class Finding(NamedTuple):
    """One thing that is wrong, might be, or (``info``) is worth knowing.

    ``cause`` is the transient AWS error because of which this could not be checked now.
    """

    severity: Severity
    check: str
    which: str
    found: str
    remedy: str = ""
    cause: BaseException | None = None

    def text(self) -> str:
        """Return the finding for the log, with the remedy on a line of its own."""
        text = f"{self.severity.upper()} {self.check} ({self.which}): {self.found}"
        return f"{text}\nWhat to do: {self.remedy}" if self.remedy else text


class PreflightFailedError(ModelImportError):
    """The run would fail later: nothing was started."""

    _summary = "Preflight found {} problem{}, nothing was started"

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            self._summary.format(len(self.findings), "" if len(self.findings) == 1 else "s"),
            found="".join(f"\n{indent(finding.text(), '  ')}" for finding in self.findings),
        )


class PreflightUnansweredError(PreflightFailedError):
    """AWS did not answer some checks because of faults that pass; nothing else is wrong, and nothing was started.

    It is raised from one of these faults, so the task is tried again.
    """

    _summary = "Preflight could not do {} check{}, nothing was started"


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Raise an error with all findings that are errors; warnings alone pass.

    Raises:
        PreflightFailedError: something is wrong.
        PreflightUnansweredError: nothing is known to be wrong, but AWS did not answer every check.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    if all(finding.cause for finding in errors):
        raise PreflightUnansweredError(errors) from errors[0].cause
    raise PreflightFailedError(errors)


def statement_text(statement: Mapping[str, Any]) -> str:
    """Return a policy statement as a remedy shows it: JSON to copy."""
    return json.dumps(statement)
