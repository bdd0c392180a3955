"""Publish notifications to the account's SNS topic; without a topic, there are none.

Callbacks run once per final outcome, not per retry. A task remembers what it has sent in Airflow's
task state store, which survives clearing, so that the same text is not sent twice.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.providers.amazon.aws.notifications.sns import SnsNotifier
from airflow.sdk import BaseNotifier, Context
from airflow.sdk.log import redact  # type: ignore[attr-defined]  # public, but not in __all__

from aws_waits.exceptions import AwsWaitError
from bedrock_import.hints import find_hint
from include.aws.calls import patiently
from include.aws.transient import transient_cause
from include.steps.notify import (
    Notice,
    Place,
    approval_notice,
    describe_failure,
    failure_notice,
    promotion_notice,
    quota_notice,
)
from include.steps.results import (
    FAILURE,
    EvaluationResult,
    FailureResult,
    ImportResult,
    MetricsResult,
    PromotionResult,
    StartedImportResult,
)
from include.steps.score_card import ScoreCard, score_cards
from model_import_dag.account import account_of
from model_import_dag.model_files import file_of, model_name_of
from model_import_dag.runs import PLAN, PREFLIGHT, decision_of, registration_of, result_if_any, result_of, who_triggered

log = logging.getLogger(__name__)

PUBLISH_ATTEMPTS = 4
#: The tasks that check a run before any work.
CHECKING = (PREFLIGHT, PLAN)
NEARLY_FULL = 1
"""A quota with no more free slots than this is nearly full."""


def notify_failure(context: Context) -> None:
    """Keep why the task failed for good, for the page of imported models, and notify; the callback of every task."""
    error, place = context.get("exception"), _place(context)
    failure = describe_failure(place, _text(error), _hint(error), in_preflight=place.task_id in CHECKING)
    _keep(context["ti"], failure)
    _notify(context, failure_notice(place, failure))


def _keep(ti: Any, failure: FailureResult) -> None:
    """Leave the failure as XCom; of a task whose process was lost, Airflow calls back where there may be no XCom."""
    try:
        ti.xcom_push(key=FAILURE, value=failure.model_dump(mode="json"))
    except Exception as error:  # whatever it is, the notice is to be sent
        log.warning("The failure is not shown on the page of imported models: %s", error)


def notify_promotion(context: Context) -> None:
    """Notify of a new champion; the success callback of the announcing task."""
    ti = context["ti"]
    champion = result_of(ti, "announce_promotion", PromotionResult)
    model_name, version, model_arn = champion.model_name, champion.version, champion.imported_model_arn
    _notify(context, promotion_notice(_place(context), model_name, version, model_arn, _reasons(ti), _cards(ti)))


def notify_roll_back(context: Context) -> None:
    """Notify of a champion that a roll back made; the callback of the task that announces it."""
    champion = result_of(context["ti"], "announce_promotion", PromotionResult)
    why = f"rolled back by {who_triggered(context)}: {context['params']['reason']}"
    model_name, version, model_arn = champion.model_name, champion.version, champion.imported_model_arn
    _notify(context, promotion_notice(_place(context), model_name, version, model_arn, why))


class ApprovalNotifier(BaseNotifier):
    """Notify that a person has to decide; called by the approval task when it asks."""

    def notify(self, context: Context) -> None:
        """Send the notification."""
        ti = context["ti"]
        version, model_name = registration_of(ti).version, model_name_of(context)
        _notify(context, approval_notice(_place(context), model_name, version, _reasons(ti), _cards(ti)))


def _cards(ti: Any) -> tuple[ScoreCard, ...]:
    return tuple(score_cards(decision_of(ti), result_of(ti, "evaluate_model", EvaluationResult)))


def _reasons(ti: Any) -> str:
    return "; ".join(decision_of(ti).reasons)


def notify_quota(context: Context) -> None:
    """Notify that the quota of imported models is nearly used up, when this run used a slot; put_metrics' callback."""
    ti = context["ti"]
    put = result_if_any(ti, "put_metrics", MetricsResult)
    started = result_if_any(ti, "create_import_job", StartedImportResult)
    imported = result_if_any(ti, "wait_for_import", ImportResult)
    if put and started and imported and not started.adopted and put.slots.free <= NEARLY_FULL:
        _notify(context, quota_notice(_place(context), put.slots.quota, put.slots.imported))


def _notify(context: Context, notice: Notice) -> None:
    account = account_of(file_of(context), "topic_arn", "aws_conn_id")
    topic_arn = account.topic_arn
    if not topic_arn:
        return
    store, key = context.get("task_state_store"), f"notified-{notice.digest}"
    if store is not None and store.get(key):
        log.info("Sent before: %s", notice.subject)
        return

    def publish() -> None:
        notifier = SnsNotifier(
            aws_conn_id=account.aws_conn_id,
            region_name=topic_arn.split(":")[3],
            target_arn=topic_arn,
            subject=notice.subject,
            message=str(redact(notice.message)),
        )
        notifier.notify(context)  # not called: that would render the words of an error as a template

    # Airflow does not try a callback again. Each attempt has a client of its own, which reads credentials afresh.
    patiently(publish, PUBLISH_ATTEMPTS, may_pass=lambda error: transient_cause(error) is not None)
    log.info("Sent to %s: %s", topic_arn, notice.subject)
    if store is not None:
        store.set(key, datetime.now(UTC).isoformat())


def _place(context: Context) -> Place:
    ti = context["ti"]
    url = str(getattr(ti, "log_url", "")).partition("?")[0]
    return Place(ti.dag_id, ti.run_id, ti.task_id, url, model_name_of(context))


def _text(error: Any) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error or "no exception")


def _hint(error: Any) -> str | None:
    """Return what to do about an AWS error; errors of the plugin name the task to clear themselves."""
    if isinstance(error, AwsWaitError):
        return error.next_step
    response = getattr(error, "response", None) or {}
    found = find_hint(response.get("Error", {}).get("Code"), str(error))
    return found.advice if response and found else None
