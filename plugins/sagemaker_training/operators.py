"""The operator that starts a training job, or adopts the one that already exists for the same content."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.providers.common.compat.sdk import conf

from aws_waits.attempts import MAX_JOB_NAME_LENGTH, FreeAttempt, numbered
from aws_waits.exceptions import AwsWaitError
from aws_waits.operators import AwsCreateJobOperator
from aws_waits.outcomes import Event
from sagemaker_training.adoption import StartedTraining, find_training, fingerprint_in
from sagemaker_training.error_codes import NAME_TAKEN_CODES, NO_ROOM_CODES
from sagemaker_training.hooks import SageMakerTrainingHook
from sagemaker_training.links import (
    SageMakerTrainingHelpLink,
    SageMakerTrainingJobLink,
    SageMakerTrainingLogsLink,
    persist_job,
)
from sagemaker_training.outcomes import START_ENDINGS, error_for_event, event_for_start, lacks_capacity
from sagemaker_training.sensors import is_true
from sagemaker_training.triggers import SageMakerTrainingJobStartedTrigger, SageMakerTrainingRoomTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class SageMakerCreateTrainingJobOperator(AwsCreateJobOperator[SageMakerTrainingHook, StartedTraining]):
    """
    Create an Amazon SageMaker training job, unless one of the same content runs or is complete; wait for its instances.

    Jobs with the same hyperparameter ``fingerprint`` as the request are adopted, whoever made them. The name of a job
    that has failed or was stopped stays taken, so the next attempt is numbered: ``name-2``, ``name-3``. While the quota
    is used up, or the region has no capacity for the job, the operator waits and tries again.

    Leaves ``job_arn``, ``job_name``, ``attempt`` and ``adopted`` in XCom. Takes the arguments of AwsBaseOperator too.

    :param config: The request of CreateTrainingJob. ``TrainingJobName`` is the name of the first attempt. Adoption
        needs the hyperparameter ``fingerprint``. (templated)
    :param adopt_existing: Whether a training of the same content is taken over; otherwise its name counts as taken.
        (default: True)
    :param timeout: Seconds after which the operator gives up. (templated) (default: 86400)
    :param waiter_delay: The longest pause in seconds between two tries, and between two status checks. (default: 300)
    :param first_delay: The first pause in seconds; it doubles up to ``waiter_delay``. (default: 15)
    :param stop_on_kill: Whether the job is stopped when a person ends or clears the task while it waits for the job's
        instances in the triggerer. (templated)
    :param deferrable: If True, the waits happen in the triggerer. This mode requires the aiobotocore module.
        (default: False, but can be overridden in config file by setting default_deferrable to True)
    """

    aws_hook_class = SageMakerTrainingHook
    template_fields: Sequence[str] = aws_template_fields("config", "timeout", "stop_on_kill")
    template_fields_renderers: ClassVar[dict[str, str]] = {"config": "json"}
    operator_extra_links = (SageMakerTrainingJobLink(), SageMakerTrainingLogsLink(), SageMakerTrainingHelpLink())
    ui_color = "#ff9900"
    service = "SageMaker"
    help_link = SageMakerTrainingHelpLink
    no_room_codes = NO_ROOM_CODES
    name_taken_codes = NAME_TAKEN_CODES

    def __init__(
        self,
        *,
        config: Any,
        adopt_existing: bool = True,
        timeout: float | str = 86400,
        waiter_delay: float = 300,
        first_delay: float = 15,
        stop_on_kill: bool | str = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.adopt_existing = adopt_existing
        self.timeout = timeout
        self.waiter_delay = waiter_delay
        self.first_delay = first_delay
        self.stop_on_kill = stop_on_kill
        self.deferrable = deferrable

    @property
    def resource(self) -> str:
        """The name of the job's first attempt."""
        return str(self.config["TrainingJobName"])

    @property
    def time_limit(self) -> float:
        """The seconds after which the operator gives up."""
        return float(self.timeout)

    def execute(self, context: Context) -> dict[str, Any]:
        """Start or adopt the job, and wait until it has its instances."""
        SageMakerTrainingHelpLink.persist_for(context, self)
        return self.execute_create(context, started_at=time.time())

    def execute_started(
        self, context: Context, started: dict[str, Any], started_at: float, event: Event | None = None
    ) -> dict[str, Any]:
        """Return the job that has its instances; start the next one after a pause if there was no capacity for it."""
        if event and event.get("status") == "success":
            return started
        if not lacks_capacity(event):
            error = error_for_event(event, START_ENDINGS, started["job_arn"], [self.task_id])
            raise self.with_help(context, error)
        self.log.warning("There was no capacity for training job %s; waiting.", started["job_name"])
        self.pause(context, started_at, None)
        return self.execute_create(context, started_at)

    def find(self) -> StartedTraining | FreeAttempt | None:
        """Return the job to adopt, the attempt to make if there is none, or None while one is being stopped."""
        return find_training(self.hook, self.resource, fingerprint_in(self.config) if self.adopt_existing else None)

    def create(self, attempt: FreeAttempt) -> StartedTraining:
        """Create the job of this attempt."""
        job_name = numbered(self.resource, attempt.number, MAX_JOB_NAME_LENGTH)
        client: Any = self.hook.conn
        answer = client.create_training_job(**self.config | {"TrainingJobName": job_name})
        return StartedTraining(answer["TrainingJobArn"], job_name, attempt.number, adopted=False)

    def error(self, event: Event) -> AwsWaitError:
        """Return the error of a creation that an unsuccessful event stands for."""
        return error_for_event(event, START_ENDINGS, self.resource)

    def pause_trigger(self, started_at: float) -> SageMakerTrainingRoomTrigger:
        """Return the trigger that fires after a pause."""
        return SageMakerTrainingRoomTrigger(**self.wait_arguments(started_at))

    def wait_arguments(self, started_at: float) -> dict[str, Any]:
        """Return the arguments of a polling trigger."""
        return {**super().wait_arguments(started_at), "first_delay": self.first_delay}

    def after_start(self, context: Context, started: StartedTraining, started_at: float) -> dict[str, Any]:
        """Return the job when it has its instances."""
        self.log.info("%s training job %s", "Adopted" if started.adopted else "Created", started.job_arn)
        persist_job(context, self, self.hook, started.job_name)
        job = asdict(started)
        if event := self._look(started.job_name):
            return self.execute_started(context, job, started_at, event)
        if self.deferrable:
            self.defer(
                trigger=SageMakerTrainingJobStartedTrigger(
                    job_name=started.job_name,
                    stop_on_kill=is_true(self.stop_on_kill),
                    **self.wait_arguments(started_at),
                ),
                method_name="execute_started",
                kwargs={"started": job, "started_at": started_at},
            )
        while not (event := self._look(started.job_name)):
            time.sleep(self.first_delay)
        return self.execute_started(context, job, started_at, event)

    def on_kill(self) -> None:
        """Say what happens to the job."""
        self.log.warning("If training job %s was created, it continues to run.", self.resource)

    def _look(self, job_name: str) -> Event | None:
        client: Any = self.hook.conn
        return event_for_start(client.describe_training_job(TrainingJobName=job_name))
