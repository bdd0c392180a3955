"""The task that watches the canary of a new champion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator

from include.steps.results import PublicationResult
from model_import_dag.clients import clients_of
from model_import_dag.publishing import TASK as PUBLISH
from model_import_dag.publishing import published_model
from model_import_dag.runs import plan_of, result_if_any, run_name
from model_import_dag.skipping import skip
from model_import_dag.timeouts import QUICK

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.publish import CanaryConfig

TASK = "watch_canary"


class CanaryOperator(BaseOperator):
    """Looks at the canary once a minute until it has ended; in between, the task is deferred."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Look at the canary for the first time."""
        return self.look(context)

    def look(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Do what is due; defer where it is to be looked at again."""
        from include.steps.canary import watch_canary

        publication = result_if_any(context["ti"], PUBLISH, PublicationResult)
        if publication is None or publication.canary_until is None:
            skip("publish_champion began no canary")
        plan = plan_of(context)
        model, clients = published_model(plan), clients_of(plan)
        result = watch_canary(model, publication, clients, run_name(context), datetime.now(UTC))
        if result.next_look:
            self.defer(trigger=DateTimeTrigger(moment=result.next_look), method_name="look")
        return result.model_dump(mode="json")


def watch_canary(canary: CanaryConfig) -> CanaryOperator:
    """Return the task."""
    return CanaryOperator(
        task_id=TASK,
        doc_md="Give the new champion a share of the calls; finish the switch, or take it back if too many fail.",
        execution_timeout=timedelta(minutes=canary.minutes) + QUICK,
    )
