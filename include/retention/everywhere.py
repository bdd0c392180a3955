"""Retire in every account and region that models use, each with a connection of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from include.aws.clients import AwsClients
from include.aws.imported_models import ImportedModel
from include.config.account import ConnectionSettings
from include.retention.retiring import RetiredModel, RetirementFailedError, retire, versions_of
from include.retention.selection import RetentionPolicies, RetirementPlan, plan_retirement

log = logging.getLogger(__name__)

Connect = Callable[[ConnectionSettings], AwsClients]


class ListedModels(BaseModel):
    """The imported models that a connection sees in its region."""

    model_config = ConfigDict(frozen=True)

    connection: ConnectionSettings
    models: tuple[ImportedModel, ...]


class PlanOfConnection(BaseModel):
    """What to retire by a connection in its region."""

    model_config = ConfigDict(frozen=True)

    connection: ConnectionSettings
    plan: RetirementPlan


def listed_once(
    connections: Sequence[ConnectionSettings], found: Iterable[Iterable[ImportedModel]]
) -> list[ListedModels]:
    """Return the models by connection; what several connections see belongs to the first of them."""
    seen: set[str] = set()
    listed = []
    for connection, models in zip(connections, found, strict=True):
        new = tuple(model for model in models if model.arn not in seen)
        seen |= {model.arn for model in new}
        listed.append(ListedModels(connection=connection, models=new))
    return listed


def plan_everywhere(
    listed: Iterable[ListedModels], policies: RetentionPolicies, now: datetime, connect: Connect
) -> list[PlanOfConnection]:
    """Return the plan for each connection."""
    return [
        PlanOfConnection(
            connection=each.connection,
            plan=plan_retirement(
                each.models, versions_of(each.models, connect(each.connection).sagemaker), policies, now
            ),
        )
        for each in listed
    ]


def plans_summary(plans: Sequence[PlanOfConnection]) -> str:
    """Return the plans for a reader; with several connections each has a heading."""
    if len(plans) == 1:
        return plans[0].plan.summary()
    return "\n".join(f"{_heading(each.connection)}\n{each.plan.summary()}" for each in plans)


def retire_everywhere(
    plans: Iterable[PlanOfConnection], now: datetime, connect: Connect
) -> tuple[str, tuple[RetiredModel, ...]]:
    """Retire what the plans say; return a summary and the retired models. One failure does not stop the others.

    Raises:
        RetirementFailedError: names what the first connection with failures could not retire; the log has the others.
    """
    reports = []
    failed: list[RetirementFailedError] = []
    for each in plans:
        try:
            reports.append(retire(each.plan, connect(each.connection), now))
        except RetirementFailedError as error:
            log.exception("%s", _heading(each.connection))
            failed.append(error)
    if failed:
        raise failed[0]
    summary = "\n".join(report.summary() for report in reports)
    return summary, tuple(model for report in reports for model in report.retired)


def _heading(connection: ConnectionSettings) -> str:
    return f"Connection {connection.aws_conn_id}, {connection.region_name or 'in its own region'}:"
