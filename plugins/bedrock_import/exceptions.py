"""Errors of an import and of the wait for it."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from aws_waits.exceptions import AwsWaitError


class BedrockModelImportError(AwsWaitError):
    """The base of these errors."""

    service = "Bedrock"


class ModelImportJobFailedError(BedrockModelImportError, AirflowFailException):
    """The job reached the state Failed, which is final, so the wait is not retried."""


class ModelImportJobTimeoutError(BedrockModelImportError, AirflowSensorTimeout):
    """The job was still running at the deadline. As with every sensor's timeout there is no retry."""


class ModelImportJobStateError(BedrockModelImportError):
    """The job is in a state that the service does not document."""


class ModelImportJobTriggerError(BedrockModelImportError):
    """The wait failed in the triggerer; the job is not affected, so a retry continues to wait."""


class EvaluationJobFailedError(BedrockModelImportError, AirflowFailException):
    """The evaluation job failed, was stopped or is being deleted, which is final, so the wait is not retried."""


class EvaluationJobTimeoutError(BedrockModelImportError, AirflowSensorTimeout):
    """The evaluation job was still running at the deadline. As with every sensor's timeout there is no retry."""


class EvaluationJobStateError(BedrockModelImportError):
    """The evaluation job is in a state that the service does not document."""


class EvaluationJobTriggerError(BedrockModelImportError):
    """The wait failed in the triggerer; the evaluation job is not affected, so a retry continues to wait."""


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
