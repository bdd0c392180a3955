"""Base class of the operators that start a job, or adopt the one that exists for the same content."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import AwsHookType
from botocore.exceptions import ClientError

from airflow_versions import TaskDeferralError
from aws_waits.attempts import FreeAttempt
from aws_waits.aws_errors import AWS_ERRORS, AwsError, error_code, is_transient
from aws_waits.exceptions import AwsWaitError
from aws_waits.links import HelpLink, has_console
from aws_waits.outcomes import Event, event_for_refusal, event_for_timeout

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

Started = TypeVar("Started")


class AwsCreateJobOperator(AwsBaseOperator[AwsHookType], Generic[AwsHookType, Started]):
    """
    Base of the operators that create a job. While the service has no room for it, or throttles, the operator waits.

    A request whose answer is lost may have created the job, so it is looked up again before the error is raised.
    """

    service: ClassVar[str]
    help_link: ClassVar[type[HelpLink]]
    #: Answers to the request for a job that say to come again later.
    no_room_codes: ClassVar[frozenset[str]]
    #: Answers that a repeated request gets when the job exists by now.
    name_taken_codes: ClassVar[frozenset[str]]
    deferrable: bool
    waiter_delay: float

    @property
    @abstractmethod
    def resource(self) -> str:
        """Return the name of the job."""

    @property
    @abstractmethod
    def time_limit(self) -> float:
        """Return the seconds after which the operator gives up."""

    @abstractmethod
    def find(self) -> Started | FreeAttempt | None:
        """Return the job to adopt, the attempt to make if there is none, or None to wait."""

    @abstractmethod
    def create(self, attempt: FreeAttempt) -> Started:
        """Create the job."""

    @abstractmethod
    def error(self, event: Event) -> AwsWaitError:
        """Return the error of a creation that an unsuccessful event stands for."""

    @abstractmethod
    def pause_trigger(self, started_at: float) -> BaseTrigger:
        """Return the trigger that fires when the job may be asked for again."""

    @abstractmethod
    def after_start(self, context: Context, started: Started, started_at: float) -> dict[str, Any]:
        """Return the XCom value, after waiting for the job if asked to."""

    def execute_create(self, context: Context, started_at: float, event: Event | None = None) -> dict[str, Any]:
        """Try until a job exists. After a deferral too: whether there is room shows in the answer to the request."""
        while True:
            last_error: AwsError | None = None
            try:
                if started := self._find_or_create():
                    return self.after_start(context, started, started_at)
            except AWS_ERRORS as error:
                if not is_transient(error) and error_code(error) not in self.no_room_codes:
                    raise self.with_help(context, self.error(event_for_refusal(error))) from error
                self.log.info("%s accepts no job for the moment (%s); waiting.", self.service, error_code(error))
                last_error = error
            self.pause(context, started_at, last_error)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume, and distinguish a failed trigger from a failed job."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError as error:
            raise self.error({"status": "trigger_error", "error": {"message": str(error)}}) from error

    def pause(self, context: Context, started_at: float, last_error: AwsError | None) -> None:
        """Wait before the next try, or raise the error of a wait that is over."""
        elapsed = time.time() - started_at
        if elapsed >= self.time_limit:
            raise self.with_help(context, self.error(event_for_timeout(elapsed, last_error))) from last_error
        if self.deferrable:
            kwargs = {"started_at": started_at}
            self.defer(trigger=self.pause_trigger(started_at), method_name="execute_create", kwargs=kwargs)
        time.sleep(self.waiter_delay)
        self.__dict__.pop("hook", None)  # a new one reads credentials afresh

    def wait_arguments(self, started_at: float) -> dict[str, Any]:
        """Return the arguments of a polling trigger."""
        return {
            "started_at": started_at,
            "deadline": started_at + self.time_limit,
            "waiter_delay": self.waiter_delay,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def with_help(self, context: Context, error: AwsWaitError) -> AwsWaitError:
        """Return the error, with links only to what is in AWS's console."""
        self.help_link.persist_for(context, self, error)
        if not has_console(self.hook):
            error.console_url = None
        return error

    def _find_or_create(self) -> Started | None:
        found = self.find()
        if not isinstance(found, FreeAttempt):
            return found
        try:
            return self.create(found)
        except AWS_ERRORS as error:
            # The job may be there: an answer was lost, or botocore repeated the request and found the name in use.
            may_be_there = not isinstance(error, ClientError) or error_code(error) in self.name_taken_codes
            if may_be_there and not isinstance(found := self.find(), FreeAttempt):
                return found
            raise
