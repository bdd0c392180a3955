"""Findings of preflight: every misconfiguration at once, each with its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import Any, Literal, NamedTuple

from include.errors import ModelImportError

Severity = Literal["error", "warning", "info"]


class Finding(NamedTuple):
    """An error, a warning or (``info``) a note.

    ``cause`` is the transient AWS error that prevented the check.
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
    """Preflight found errors; nothing was started."""

    _summary = "Preflight found {} problem{}, nothing was started"

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            self._summary.format(len(self.findings), "" if len(self.findings) == 1 else "s"),
            found="".join(f"\n{indent(finding.text(), '  ')}" for finding in self.findings),
        )


class PreflightUnansweredError(PreflightFailedError):
    """Some checks failed with transient AWS errors; nothing else is wrong, and nothing was started.

    It is raised from one of these errors, so that the task is retried.
    """

    _summary = "Preflight could not do {} check{}, nothing was started"


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Raise an error with all findings that are errors; warnings pass.

    Raises:
        PreflightFailedError: a finding is an error.
        PreflightUnansweredError: the only errors are checks that AWS did not answer.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    if all(finding.cause for finding in errors):
        raise PreflightUnansweredError(errors) from errors[0].cause
    raise PreflightFailedError(errors)


def statement_text(statement: Mapping[str, Any]) -> str:
    """Return a policy statement as JSON, to be copied from a remedy."""
    return json.dumps(statement)
