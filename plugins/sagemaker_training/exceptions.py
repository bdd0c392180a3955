"""Errors of a training job and of the wait for it."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from aws_waits.exceptions import AwsWaitError


class SageMakerTrainingError(AwsWaitError):
    """The base of these errors."""

    service = "SageMaker"


class TrainingJobFailedError(SageMakerTrainingError, AirflowFailException):
    """The job reached the state Failed, which is final, so the task is not retried."""


class TrainingJobStoppedError(SageMakerTrainingError, AirflowFailException):
    """The job was stopped before its end: by a person, or at one of its time limits."""


class TrainingJobTimeoutError(SageMakerTrainingError, AirflowSensorTimeout):
    """The job was still running at the deadline. As with every sensor's timeout there is no retry."""


class TrainingJobStateError(SageMakerTrainingError):
    """The job is in a state that the service does not document."""


class TrainingJobTriggerError(SageMakerTrainingError):
    """The wait failed in the triggerer; the job is not affected, so a retry continues to wait."""


class TrainingJobNameTakenError(SageMakerTrainingError, AirflowFailException):
    """The job's name belongs to other content."""


class TrainingJobNotStartedError(SageMakerTrainingError, AirflowFailException):
    """No job had an instance until the deadline: quota, capacity, throttling or network."""


class SageMakerRequestRefusedError(SageMakerTrainingError):
    """The service refused a request for a reason that is not transient."""
