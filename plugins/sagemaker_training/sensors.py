"""The sensor that waits for a training job to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from aws_waits.exceptions import AwsWaitError
from aws_waits.outcomes import Event
from aws_waits.sensors import AwsWaitSensor
from sagemaker_training.hooks import SageMakerTrainingHook
from sagemaker_training.links import (
    SageMakerTrainingHelpLink,
    SageMakerTrainingJobLink,
    SageMakerTrainingLogsLink,
    persist_job,
)
from sagemaker_training.outcomes import JOB_ENDINGS, error_for_event, event_for_job, progress
from sagemaker_training.triggers import SageMakerTrainingJobCompletedTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


def is_true(value: bool | str) -> bool:
    """Return whether a switch is on; a template renders to text."""
    return value is True or value in ("True", "true", "1")


class SageMakerTrainingJobCompletedSensor(AwsWaitSensor[SageMakerTrainingHook]):
    """
    Wait until a training job has ended; fail with SageMaker's failure reason if it did not complete.

    Leaves in XCom ``job_name``, ``job_arn``, ``artifact_uri``, ``ended_at``, ``training_seconds``, ``billable_seconds``
    and the last values of its ``metrics``. While it waits, the log shows losses and cost so far. Takes the arguments of
    AwsWaitSensor and AwsBaseSensor too.

    :param job_name: The name of the training job. (templated)
    :param dollars_per_hour: What the job's instances cost on demand in an hour, for the log. (templated)
    :param stop_on_kill: Whether the job is stopped when a person ends or clears the waiting task. (templated)
    :param least_timeout: A lower bound of ``timeout`` that is known when the task runs: seconds. (templated)
    :param timeout: Seconds after which the sensor fails. (default: 86400)
    """

    aws_hook_class = SageMakerTrainingHook
    template_fields: Sequence[str] = aws_template_fields(
        "job_name", "dollars_per_hour", "stop_on_kill", "least_timeout"
    )
    console_link = SageMakerTrainingJobLink
    help_link = SageMakerTrainingHelpLink
    operator_extra_links = (SageMakerTrainingJobLink(), SageMakerTrainingLogsLink(), SageMakerTrainingHelpLink())
    ui_color = "#ff9900"

    def __init__(
        self,
        *,
        job_name: str,
        dollars_per_hour: float | str | None = None,
        stop_on_kill: bool | str = False,
        least_timeout: float | str = 0,
        timeout: float = 86400,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.job_name = job_name
        self.dollars_per_hour = dollars_per_hour
        self.stop_on_kill = stop_on_kill
        self.least_timeout = least_timeout

    @property
    def resource(self) -> str:
        """The job's name."""
        return self.job_name

    def execute(self, context: Context) -> Any:
        """Wait, here or in the triggerer."""
        self.timeout = max(self.timeout, float(self.least_timeout or 0))  # a template renders to text
        return super().execute(context)

    def persist_links(self, context: Context) -> None:
        """Link the task to the job and its logs."""
        persist_job(context, self, self.hook, self.job_name)

    def make_trigger(self, **wait: Any) -> SageMakerTrainingJobCompletedTrigger:
        """Return the trigger that waits for this job."""
        return SageMakerTrainingJobCompletedTrigger(
            job_name=self.job_name,
            dollars_per_hour=self._dollars_per_hour,
            stop_on_kill=is_true(self.stop_on_kill),
            **wait,
        )

    def ask(self) -> Event | None:
        """Return the event for the job's state, or None while it runs."""
        client: Any = self.hook.conn
        response = client.describe_training_job(TrainingJobName=self.job_name)
        self.log.info("%s", progress(response, self.elapsed, self._dollars_per_hour))
        return event_for_job(response)

    def result(self, event: Event) -> dict[str, Any]:
        """Return the job, what it wrote, how long it took and its last metrics."""
        fields = ("job_name", "job_arn", "artifact_uri", "ended_at", "training_seconds", "billable_seconds", "metrics")
        return {field: event["job"][field] for field in fields}

    def error(self, event: Event | None) -> AwsWaitError:
        """Return the error that an unsuccessful event stands for."""
        return error_for_event(event, JOB_ENDINGS, self.resource, self.upstream_task_ids)

    def on_kill(self) -> None:
        """Stop the job if asked to."""
        stops = is_true(self.stop_on_kill)
        if stops:
            client: Any = self.hook.conn
            client.stop_training_job(TrainingJobName=self.job_name)
        self.log.warning("Training job %s %s.", self.job_name, "is stopped" if stops else "continues to run")

    @property
    def _dollars_per_hour(self) -> float | None:
        return float(self.dollars_per_hour) if self.dollars_per_hour else None
