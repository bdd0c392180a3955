"""Sensors that wait for an import job to end and for an imported model to answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from botocore.exceptions import ClientError

from aws_waits.aws_errors import AWS_ERRORS, error_code, is_transient
from aws_waits.exceptions import AwsWaitError
from aws_waits.links import persist_in_console
from aws_waits.outcomes import Event
from bedrock_import.answers import SMOKE_PROMPT
from bedrock_import.base_sensor import BedrockImportBaseSensor
from bedrock_import.error_codes import MODEL_NOT_READY
from bedrock_import.hooks import BedrockModelImportHook, BedrockModelRuntimeHook
from bedrock_import.links import (
    BedrockEvaluationJobLink,
    BedrockImportedModelLink,
    BedrockImportHelpLink,
    BedrockModelImportJobLink,
    evaluation_job_url,
)
from bedrock_import.outcomes import (
    EVALUATION_ENDINGS,
    JOB_ENDINGS,
    MODEL_ENDINGS,
    event_for_answer,
    event_for_evaluation,
    event_for_job,
    job_result,
    progress,
)
from bedrock_import.triggers import (
    BedrockEvaluationJobCompletedTrigger,
    BedrockImportedModelReadyTrigger,
    BedrockModelImportJobCompletedTrigger,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Loading can outlast botocore's usual read timeout, and the sensor itself is the retry.
WARM_UP_CONFIG = {"read_timeout": 300, "retries": {"total_max_attempts": 1}}


class BedrockModelImportJobCompletedSensor(BedrockImportBaseSensor[BedrockModelImportHook]):
    """
    Wait until a model import job has ended; fail with Bedrock's failure message if it failed.

    Leaves ``imported_model_arn``, ``imported_model_name``, ``job_arn`` and ``seconds`` (the job's duration as Bedrock
    gives it) in XCom. Takes the arguments of BedrockImportBaseSensor and AwsBaseSensor too.

    :param job_identifier: The name or ARN of the model import job. (templated)
    :param usual_seconds: How long such a job usually takes, shown in the log while waiting. (templated)
    :param timeout: Seconds after which the sensor fails. (default: 7200)
    """

    aws_hook_class = BedrockModelImportHook
    template_fields: Sequence[str] = aws_template_fields("job_identifier", "usual_seconds")
    console_link = BedrockModelImportJobLink
    operator_extra_links = (BedrockModelImportJobLink(), BedrockImportHelpLink())
    endings = JOB_ENDINGS

    def __init__(
        self,
        *,
        job_identifier: str,
        usual_seconds: float | str | None = None,
        timeout: float = 7200,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.job_identifier = job_identifier
        self.usual_seconds = usual_seconds

    @property
    def resource(self) -> str:
        """The job's name or ARN."""
        return self.job_identifier

    def make_trigger(self, **wait: Any) -> BedrockModelImportJobCompletedTrigger:
        """Return the trigger that waits for this job."""
        return BedrockModelImportJobCompletedTrigger(
            job_identifier=self.job_identifier, usual_seconds=self._usual_seconds, **wait
        )

    def ask(self) -> Event | None:
        """Return the event for the job's state, or None while it runs."""
        client: Any = self.hook.conn
        response = client.get_model_import_job(jobIdentifier=self.job_identifier)
        self.log.info("%s", progress(response, self.elapsed, self._usual_seconds))
        return event_for_job(response)

    def result(self, event: Event) -> dict[str, Any]:
        """Return the imported model and how long its import took."""
        return job_result(event)

    @property
    def _usual_seconds(self) -> float | None:
        return float(self.usual_seconds) if self.usual_seconds else None  # a template renders to text


class BedrockEvaluationJobCompletedSensor(BedrockImportBaseSensor[BedrockModelImportHook]):
    """
    Wait until a Bedrock evaluation job has ended; fail with Bedrock's failure messages if it did not complete.

    Leaves ``job_arn`` and ``job_name`` in XCom. Takes the arguments of BedrockImportBaseSensor and AwsBaseSensor too.

    :param job_arn: The ARN of the evaluation job. (templated)
    :param job_name: Its name, for the link to the console. (templated)
    :param timeout: Seconds after which the sensor fails. (default: 14400)
    """

    aws_hook_class = BedrockModelImportHook
    template_fields: Sequence[str] = aws_template_fields("job_arn", "job_name")
    console_link = BedrockEvaluationJobLink
    operator_extra_links = (BedrockEvaluationJobLink(), BedrockImportHelpLink())
    endings = EVALUATION_ENDINGS

    def __init__(self, *, job_arn: str, job_name: str, timeout: float = 14400, **kwargs: Any) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.job_arn = job_arn
        self.job_name = job_name

    @property
    def resource(self) -> str:
        """The job's ARN."""
        return self.job_arn

    def persist_links(self, context: Context) -> None:
        """Link the task to the job in the console."""
        values = {"job_name": self.job_name, "job_arn": self.job_arn}
        persist_in_console(BedrockEvaluationJobLink, context, self, self.hook, **values)

    def make_trigger(self, **wait: Any) -> BedrockEvaluationJobCompletedTrigger:
        """Return the trigger that waits for this job."""
        return BedrockEvaluationJobCompletedTrigger(job_arn=self.job_arn, **wait)

    def ask(self) -> Event | None:
        """Return the event for the job's state, or None while it runs."""
        client: Any = self.hook.conn
        response = client.get_evaluation_job(jobIdentifier=self.job_arn)
        self.log.info("%s", progress(response, self.elapsed, None))
        return event_for_evaluation(response)

    def result(self, event: Event) -> dict[str, Any]:
        """Return the job."""
        return {key: event["job"][key] for key in ("job_arn", "job_name")}

    def error(self, event: Event | None) -> AwsWaitError:
        """Return the error that an unsuccessful event stands for, with the page of the job."""
        error = super().error(event)
        error.console_url = evaluation_job_url(self.job_name, self.job_arn)
        return error


class BedrockImportedModelReadySensor(BedrockImportBaseSensor[BedrockModelRuntimeHook]):
    """
    Wait until an imported model answers: after some idle minutes Bedrock unloads it and the next calls are refused.

    Leaves in XCom ``cold_start_seconds``, from the start of the wait to the first answer; the ``answer`` to the smoke
    prompt and its ``body_format``; and ``converse``, whether the Converse API works. Body and answer are logged: give
    no prompt of a user. Takes the arguments of BedrockImportBaseSensor and AwsBaseSensor too.

    :param imported_model_arn: The ARN of the imported model. (templated)
    :param body: The request to try: the smoke prompt. (templated) Default: "Hello", answered with 16 tokens.
    :param poke_interval: Seconds between two tries. (default: 10)
    :param timeout: Seconds after which the sensor fails. (default: 600)
    """

    aws_hook_class = BedrockModelRuntimeHook
    template_fields: Sequence[str] = aws_template_fields("imported_model_arn", "body")
    console_link = BedrockImportedModelLink
    operator_extra_links = (BedrockImportedModelLink(), BedrockImportHelpLink())
    endings = MODEL_ENDINGS

    def __init__(
        self,
        *,
        imported_model_arn: str,
        body: dict[str, Any] = SMOKE_PROMPT,
        poke_interval: float = 10,
        timeout: float = 600,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        config = WARM_UP_CONFIG | (botocore_config or {})
        super().__init__(poke_interval=poke_interval, timeout=timeout, botocore_config=config, **kwargs)
        self.imported_model_arn = imported_model_arn
        self.body = body

    @property
    def resource(self) -> str:
        """The model's ARN."""
        return self.imported_model_arn

    def make_trigger(self, **wait: Any) -> BedrockImportedModelReadyTrigger:
        """Return the trigger that waits for this model."""
        return BedrockImportedModelReadyTrigger(imported_model_arn=self.imported_model_arn, body=self.body, **wait)

    def ask(self) -> Event | None:
        """Return an event when the model answers, None while it is not ready."""
        client: Any = self.hook.conn
        try:
            response = client.invoke_model(modelId=self.imported_model_arn, body=json.dumps(self.body))
        except ClientError as error:
            if error_code(error) != MODEL_NOT_READY:
                raise
            return None
        return event_for_answer(self.elapsed, response["body"].read())

    def result(self, event: Event) -> dict[str, Any]:
        """Return the cold start's duration, the answer and its body format."""
        answer = repr(event["answer"]) if event["answer"] else "without text, as it may a prompt of no template"
        self.log.info("Asked %s, the model answers %s (%s)", self.body, answer, event["body_format"])
        return {
            "cold_start_seconds": event["seconds"],
            "answer": event["answer"],
            "body_format": event["body_format"],
            "converse": self._converses(),
        }

    def _converses(self) -> bool:
        """Return whether Converse works: Bedrock says so of the model, and a try bears it out.

        A transient error says nothing about the model, so it is raised: the task is run again.
        """
        try:
            model = BedrockModelImportHook(
                aws_conn_id=self.aws_conn_id, region_name=self.region_name, verify=self.verify
            ).find_imported_model(self.imported_model_arn)
            if not (model or {}).get("instructSupported"):
                return False
            client: Any = self.hook.conn
            messages = [{"role": "user", "content": [{"text": "Hello"}]}]
            client.converse(modelId=self.imported_model_arn, messages=messages, inferenceConfig={"maxTokens": 1})
        except AWS_ERRORS as error:
            if is_transient(error):
                raise
            self.log.warning("Converse does not work with %s: %s", self.imported_model_arn, error)
            return False
        return True
