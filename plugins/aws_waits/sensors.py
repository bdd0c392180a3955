"""Base class of the sensors: they behave the same in a worker and in the triggerer.

Same deadline, same results, same errors, same effect of ``soft_fail``.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import AwsHookType
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, conf
from airflow.sdk.bases.sensor import PokeReturnValue

from airflow_versions import TaskDeferralError
from aws_waits.aws_errors import AWS_ERRORS, AwsError, is_transient
from aws_waits.exceptions import AwsWaitError
from aws_waits.links import HelpLink, has_console, persist_in_console
from aws_waits.outcomes import Event, event_for_refusal, event_for_timeout, format_seconds
from aws_waits.triggers import AwsPollingTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class AwsWaitSensor(AwsBaseSensor[AwsHookType]):
    """
    Base of the sensors. Subclasses say how to ask, what a success returns and which errors there are.

    :param deferrable: If True, wait in the triggerer, which holds no worker slot. Needs aiobotocore.
        (default: False, but can be overridden in config file by setting default_deferrable to True)
    :param poke_interval: Seconds between two polls. (default: 30) With ``exponential_backoff`` it is the first
        pause, which doubles up to ``max_wait``, in every mode.
    :param timeout: The time in seconds after which the wait fails, counted alike in every mode.
    """

    console_link: ClassVar[type[BaseAwsLink]]
    help_link: ClassVar[type[HelpLink]]
    ui_color = "#66c3ff"

    def __init__(
        self,
        *,
        poke_interval: float = 30,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.deferrable = deferrable
        self._started_at = 0.0
        self._last_error: AwsError | None = None

    @property
    @abstractmethod
    def resource(self) -> str:
        """Return the name or ARN of the resource."""

    @abstractmethod
    def make_trigger(self, **wait: Any) -> AwsPollingTrigger:
        """Return the trigger that continues the wait."""

    @abstractmethod
    def ask(self) -> Event | None:
        """Poll once; return the event that ends the wait, or None to continue."""

    @abstractmethod
    def result(self, event: Event) -> dict[str, Any]:
        """Return the XCom value of a successful wait."""

    @abstractmethod
    def error(self, event: Event | None) -> AwsWaitError:
        """Return the error that an unsuccessful event stands for."""

    def execute(self, context: Context) -> Any:
        """Wait, here or in the triggerer."""
        self._started_at = self._first_start(context)
        self.persist_links(context)
        self.help_link.persist_for(context, self)
        try:
            return self._ask_then_defer(context) if self.deferrable else super().execute(context)
        except AwsWaitError as error:
            self.help_link.persist_for(context, self, error)
            # A worker's base class skips for some errors only, the one for deferred tasks for all.
            if self.soft_fail:
                raise AirflowSkipException("Skipping due to soft_fail is set to True.") from error
            raise
        except AirflowSensorTimeout as error:
            raise self._error(event_for_timeout(self.elapsed, self._last_error)) from error

    def persist_links(self, context: Context) -> None:
        """Link the task to the console."""
        persist_in_console(self.console_link, context, self, self.hook)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once; throttling, outages and expired credentials do not fail the sensor."""
        try:
            event = self.ask()
        except AWS_ERRORS as error:
            if is_transient(error):
                self.log.warning("No answer about %s, still waiting: %s", self.resource, error)
                self._last_error = error
                self.__dict__.pop("hook", None)  # a new one reads credentials afresh
                return False
            event = event_for_refusal(error)
        self._last_error = None
        return PokeReturnValue(is_done=True, xcom_value=self._end(event)) if event else False

    def execute_complete(self, context: Context, event: Event | None = None) -> dict[str, Any]:
        """Return the result of the wait in the triggerer, or raise the error it stands for."""
        try:
            return self._end(event)
        except AwsWaitError as error:
            self.help_link.persist_for(context, self, error)
            raise

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume, and distinguish a failed trigger from a failed job."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError as error:
            raise self._error({"status": "trigger_error", "error": {"message": str(error)}}) from error

    @property
    def elapsed(self) -> float:
        """Return the seconds since the wait began, by the wall clock, which also counts across reschedules."""
        return time.time() - self._started_at

    def _first_start(self, context: Context) -> float:
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        return first.timestamp() if first else time.time()

    def _ask_then_defer(self, context: Context) -> Any:
        """Poll once before deferring, since a finished wait does not need the triggerer."""
        answer = self.poke(context)
        return answer.xcom_value if isinstance(answer, PokeReturnValue) else self._defer()

    def _defer(self) -> NoReturn:
        trigger = self.make_trigger(
            started_at=self._started_at,
            deadline=self._started_at + self.timeout,
            **self._pauses(),
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
        self.log.info("Deferring for at most %s: %s", format_seconds(self.timeout), self.resource)
        self.defer(trigger=trigger, method_name="execute_complete")

    def _pauses(self) -> dict[str, float]:
        if not self.exponential_backoff:
            return {"waiter_delay": self.poke_interval}
        longest = self.max_wait.total_seconds() if self.max_wait else self.timeout
        return {"waiter_delay": longest, "first_delay": self.poke_interval}

    def _end(self, event: Event | None) -> dict[str, Any]:
        if event and event.get("status") == "success":
            return self.result(event)
        raise self._error(event)

    def _error(self, event: Event | None) -> AwsWaitError:
        error = self.error(event)
        if not has_console(self.hook):
            error.console_url = None
        return error
