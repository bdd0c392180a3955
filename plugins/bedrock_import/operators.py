"""The operator that starts a model import job, or adopts the one that already exists for the same content."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.providers.common.compat.sdk import conf

from aws_waits.attempts import MAX_JOB_NAME_LENGTH, FreeAttempt, numbered
from aws_waits.aws_errors import AWS_ERRORS, AwsError, is_transient
from aws_waits.exceptions import AwsWaitError
from aws_waits.links import S3PrefixLink, persist_in_console
from aws_waits.operators import AwsCreateJobOperator
from aws_waits.outcomes import Event, event_for_refusal, event_for_timeout
from bedrock_import.adoption import MAX_TOKEN_LENGTH, StartedImport, find_import, fingerprint_in
from bedrock_import.error_codes import NO_SLOT_CODES
from bedrock_import.hooks import BedrockModelImportHook
from bedrock_import.links import BedrockImportHelpLink, BedrockModelImportJobLink
from bedrock_import.outcomes import CREATE_ENDINGS, JOB_ENDINGS, error_for_event, event_for_job, job_result
from bedrock_import.triggers import BedrockModelImportJobCompletedTrigger, BedrockModelImportSlotTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class BedrockCreateModelImportJobOperator(AwsCreateJobOperator[BedrockModelImportHook, StartedImport]):
    """
    Create an Amazon Bedrock model import job, unless the same content is imported already.

    Imported models and jobs that carry the same ``fingerprint`` tag as the request are adopted, whoever made them. The
    name of a failed job stays taken, so the next attempt is numbered: ``name-2``, ``name-3``. While the service has no
    room for another job, or throttles, the operator waits.

    Leaves ``job_arn``, ``job_name``, ``imported_model_name`` and ``adopted`` in XCom; after waiting for completion also
    ``imported_model_arn`` and ``seconds``. Takes the arguments of AwsBaseOperator too.

    :param job_name: The name of the job; unique in account and region, for ever. (templated)
    :param imported_model_name: The name of the model to be. (templated)
    :param role_arn: The ARN of the role that Bedrock reads the model with. (templated)
    :param s3_uri: The S3 prefix that holds the model's files. (templated)
    :param client_request_token: Makes the service ignore a repeated request; numbered like the job. (templated)
    :param import_job_kwargs: Any optional parameters to pass to the API: jobTags, importedModelTags, vpcConfig,
        importedModelKmsKeyId. Adoption needs the tag ``fingerprint`` on both job and model. (templated)
    :param adopt_existing: Whether an import of the same content is taken over; otherwise its name counts as taken.
        (default: True)
    :param wait_for_completion: Whether to wait for the job to end. (default: True)
    :param waiter_delay: Seconds between two tries to create, and between two status checks. (default: 30)
    :param waiter_max_attempts: The number of them, for each of the two waits. (default: 240)
    :param deferrable: If True, both waits happen in the triggerer. This mode requires the aiobotocore module.
        (default: False, but can be overridden in config file by setting default_deferrable to True)
    """

    aws_hook_class = BedrockModelImportHook
    template_fields: Sequence[str] = aws_template_fields(
        "job_name", "imported_model_name", "role_arn", "s3_uri", "client_request_token", "import_job_kwargs"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"import_job_kwargs": "json"}
    operator_extra_links = (BedrockModelImportJobLink(), S3PrefixLink(), BedrockImportHelpLink())
    ui_color = "#66c3ff"
    service = "Bedrock"
    help_link = BedrockImportHelpLink
    no_room_codes = NO_SLOT_CODES
    name_taken_codes = frozenset({"ValidationException"})

    def __init__(
        self,
        *,
        job_name: str,
        imported_model_name: str,
        role_arn: str,
        s3_uri: str,
        client_request_token: str | None = None,
        import_job_kwargs: dict[str, Any] | None = None,
        adopt_existing: bool = True,
        wait_for_completion: bool = True,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 240,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.imported_model_name = imported_model_name
        self.role_arn = role_arn
        self.s3_uri = s3_uri
        self.client_request_token = client_request_token
        self.import_job_kwargs = import_job_kwargs or {}
        self.adopt_existing = adopt_existing
        self.wait_for_completion = wait_for_completion
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """Start or adopt the job, and wait for it if asked to."""
        persist_in_console(S3PrefixLink, context, self, self.hook, s3_uri=self.s3_uri)
        persist_in_console(BedrockModelImportJobLink, context, self, self.hook)
        BedrockImportHelpLink.persist_for(context, self)
        return self.execute_create(context, started_at=time.time())

    @property
    def resource(self) -> str:
        """The name of the job's first attempt."""
        return self.job_name

    @property
    def time_limit(self) -> float:
        """The seconds of all attempts together."""
        return self.waiter_delay * self.waiter_max_attempts

    def error(self, event: Event) -> AwsWaitError:
        """Return the error of a creation that an unsuccessful event stands for."""
        return error_for_event(event, CREATE_ENDINGS, self.job_name)

    def pause_trigger(self, started_at: float) -> BedrockModelImportSlotTrigger:
        """Return the trigger that fires when no import runs."""
        return BedrockModelImportSlotTrigger(**self.wait_arguments(started_at))

    def after_start(self, context: Context, started: StartedImport, started_at: float) -> dict[str, Any]:
        """Return the job, after its completion if asked to wait for that."""
        self.log.info("%s model import job %s", "Adopted" if started.adopted else "Created", started.job_arn)
        return self._await_completion(context, asdict(started)) if self.wait_for_completion else asdict(started)

    def execute_complete(self, context: Context, started: dict[str, Any], event: Event | None = None) -> dict[str, Any]:
        """Return the result of the wait for completion, or raise the error it stands for."""
        if event and event.get("status") == "success":
            return started | job_result(event)
        raise self.with_help(context, error_for_event(event, JOB_ENDINGS, started["job_arn"], [self.task_id]))

    def on_kill(self) -> None:
        """Say what happens to the job: the service has no way to cancel it."""
        self.log.warning(
            "Model import job %s cannot be cancelled; if it was created, it continues to run.", self.job_name
        )

    def find(self) -> StartedImport | FreeAttempt:
        """Return the import to adopt, or the attempt to make if there is none."""
        fingerprint = fingerprint_in(self.import_job_kwargs) if self.adopt_existing else None
        return find_import(self.hook, self.job_name, self.imported_model_name, fingerprint)

    def create(self, attempt: FreeAttempt) -> StartedImport:
        """Create the job of this attempt."""
        job_name = numbered(self.job_name, attempt.number, MAX_JOB_NAME_LENGTH)
        request = self.import_job_kwargs | {
            "jobName": job_name,
            "importedModelName": self.imported_model_name,
            "roleArn": self.role_arn,
            "modelDataSource": {"s3DataSource": {"s3Uri": self.s3_uri}},
        }
        if self.client_request_token:
            # Numbered too: for the token of a failed job the service would do nothing, without an error.
            token = numbered(self.client_request_token, attempt.number, MAX_TOKEN_LENGTH)
            request["clientRequestToken"] = token
        client: Any = self.hook.conn
        job_arn = client.create_model_import_job(**request)["jobArn"]
        return StartedImport(job_arn, job_name, self.imported_model_name, adopted=False)

    def _await_completion(self, context: Context, started: dict[str, Any]) -> dict[str, Any]:
        now = time.time()
        if self.deferrable:
            self.defer(
                trigger=BedrockModelImportJobCompletedTrigger(
                    job_identifier=started["job_arn"], **self.wait_arguments(now)
                ),
                method_name="execute_complete",
                kwargs={"started": started},
            )
        return self.execute_complete(context, started, self._wait_here(started["job_arn"], now))

    def _wait_here(self, job_arn: str, started_at: float) -> Event:
        while True:
            last_error: AwsError | None = None
            try:
                if event := self._check(job_arn):
                    return event
            except AWS_ERRORS as error:
                if not is_transient(error):
                    return event_for_refusal(error)
                self.log.warning("No answer about %s, still waiting: %s", job_arn, error)
                last_error = error
            elapsed = time.time() - started_at
            if elapsed >= self.time_limit:
                return event_for_timeout(elapsed, last_error)
            time.sleep(self.waiter_delay)

    def _check(self, job_arn: str) -> Event | None:
        client: Any = self.hook.conn
        response = client.get_model_import_job(jobIdentifier=job_arn)
        self.log.info("%s is %s", job_arn, response.get("status"))
        return event_for_job(response)
