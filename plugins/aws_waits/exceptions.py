"""The base of the errors of a job and of the wait for it."""

from __future__ import annotations

from typing import ClassVar

from airflow.providers.common.compat.sdk import AirflowException


class AwsWaitError(AirflowException):
    """Says what went wrong with which resource, what the service said, what to do and where to look.

    ``next_step`` says which task to clear where that is not the one that failed. Sensors turn only AirflowException
    into a skip when ``soft_fail`` is set, hence the base class.
    """

    service: ClassVar[str] = "AWS"

    def __init__(
        self,
        what: str,
        *,
        resource: str | None = None,
        failure_message: str | None = None,
        hint: str | None = None,
        see: str | None = None,
        console_url: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.resource = resource
        self.failure_message = failure_message
        self.hint = hint
        self.see = see
        self.console_url = console_url
        self.next_step = next_step

    def __str__(self) -> str:
        parts = {
            "": f"{self.what}: {self.resource}" if self.resource else self.what,
            f"{self.service} says: ": self.failure_message,
            "What to do: ": self.hint,
            "Next step: ": self.next_step,
            "See: ": self.see,
            "Console: ": self.console_url,
        }
        return "\n".join(label + text for label, text in parts.items() if text)
