"""Triggers that wait for an import in the triggerer."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from aws_waits.aws_errors import error_code
from aws_waits.outcomes import Event, format_seconds
from aws_waits.triggers import AwsPollingTrigger
from bedrock_import.error_codes import MODEL_NOT_READY
from bedrock_import.hooks import BedrockModelImportHook, BedrockModelRuntimeHook
from bedrock_import.outcomes import event_for_answer, event_for_evaluation, event_for_job, progress


class BedrockModelImportJobCompletedTrigger(AwsPollingTrigger):
    """
    Trigger when a Bedrock model import job has completed or failed.

    :param job_identifier: The name or ARN of the job.
    :param usual_seconds: How long such a job usually takes, for the log.
    """

    aws_hook_class = BedrockModelImportHook
    own_fields = ("job_identifier", "usual_seconds")

    def __init__(self, *, job_identifier: str, usual_seconds: float | None = None, **kwargs: Any) -> None:
        super().__init__(resource=job_identifier, **kwargs)
        self.job_identifier = job_identifier
        self.usual_seconds = usual_seconds

    async def poll(self, client: Any) -> Event | None:
        """Return the event for the job's state, or None while it runs."""
        response = await client.get_model_import_job(jobIdentifier=self.job_identifier)
        self.log.info("%s", progress(response, self.elapsed, self.usual_seconds))
        return event_for_job(response)


class BedrockEvaluationJobCompletedTrigger(AwsPollingTrigger):
    """
    Trigger when a Bedrock evaluation job has ended.

    :param job_arn: The ARN of the job.
    """

    aws_hook_class = BedrockModelImportHook
    own_fields = ("job_arn",)

    def __init__(self, *, job_arn: str, **kwargs: Any) -> None:
        super().__init__(resource=job_arn, **kwargs)
        self.job_arn = job_arn

    async def poll(self, client: Any) -> Event | None:
        """Return the event for the job's state, or None while it runs."""
        response = await client.get_evaluation_job(jobIdentifier=self.job_arn)
        self.log.info("%s", progress(response, self.elapsed, None))
        return event_for_evaluation(response)


class BedrockModelImportSlotTrigger(AwsPollingTrigger):
    """Trigger when no model import job runs in the region."""

    aws_hook_class = BedrockModelImportHook

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(resource="running import jobs", **kwargs)

    async def poll(self, client: Any) -> Event | None:
        """Return an event when nothing runs."""
        response = await client.list_model_import_jobs(statusEquals="InProgress", maxResults=1)
        running = [job["jobName"] for job in response.get("modelImportJobSummaries", [])]
        self.log.info("Running import jobs: %s", running or "none")
        return None if running else {"status": "success"}


class BedrockImportedModelReadyTrigger(AwsPollingTrigger):
    """
    Trigger when an imported model answers.

    :param imported_model_arn: The ARN of the imported model.
    :param body: The request to send, as small as the model allows.
    """

    aws_hook_class = BedrockModelRuntimeHook
    own_fields = ("imported_model_arn", "body")

    def __init__(self, *, imported_model_arn: str, body: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(resource=imported_model_arn, **kwargs)
        self.imported_model_arn = imported_model_arn
        self.body = body

    async def poll(self, client: Any) -> Event | None:
        """Return an event when the model answers, None while it says that it is not ready."""
        try:
            response = await client.invoke_model(modelId=self.imported_model_arn, body=json.dumps(self.body))
        except ClientError as error:
            if error_code(error) != MODEL_NOT_READY:
                raise
            self.log.info("%s is not ready after %s", self.imported_model_arn, format_seconds(self.elapsed))
            return None
        return event_for_answer(self.elapsed, await response["body"].read())
