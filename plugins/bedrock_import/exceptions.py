"""Errors of an import and of the wait for it."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout


class BedrockModelImportError(AirflowException):
    """Says what went wrong with which resource, what Bedrock said, what to do and where to look.

    ``next_step`` says which task to clear where that is not the one that failed. Sensors turn only AirflowException
    into a skip when ``soft_fail`` is set, hence the base class.
    """

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
            "Bedrock says: ": self.failure_message,
            "What to do: ": self.hint,
            "Next step: ": self.next_step,
            "See: ": self.see,
            "Console: ": self.console_url,
        }
        return "\n".join(label + text for label, text in parts.items() if text)


class ModelImportJobFailedError(BedrockModelImportError, AirflowFailException):
    """The job reached the state Failed, which is final, so the wait is not retried."""


class ModelImportJobTimeoutError(BedrockModelImportError, AirflowSensorTimeout):
    """The job was still running at the deadline. As with every sensor's timeout there is no retry."""


class ModelImportJobStateError(BedrockModelImportError):
    """The job is in a state that the service does not document."""


class ModelImportJobTriggerError(BedrockModelImportError):
    """The wait failed in the triggerer; the job is not affected, so a retry continues to wait."""


class ModelImportJobNameTakenError(BedrockModelImportError, AirflowFailException):
    """The job's or the model's name belongs to other content."""


class ModelImportJobNotStartedError(BedrockModelImportError, AirflowFailException):
    """The service accepted no job until the deadline: quota, conflict, throttling or network."""


class BedrockRequestRefusedError(BedrockModelImportError):
    """The service refused a request for a reason that is not transient."""


class ImportedModelNotReadyError(BedrockModelImportError, AirflowSensorTimeout):
    """The imported model was still not answering at the deadline."""


class ImportedModelTriggerError(BedrockModelImportError):
    """The wait for the model failed in the triggerer; a retry continues to wait."""
