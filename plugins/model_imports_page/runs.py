"""Runs of the import DAGs and what their tasks do, read from Airflow's metadata database."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import State
from pydantic import ValidationError
from sqlalchemy import func, select

from include.steps.results import FAILURE, FailureResult
from include.steps.stages import TaskTime
from include.steps.waiting import LatestRun, TaskState

MOST_TASKS, MOST_FAILURES = 500, 30
_UNFINISHED = [state.value for state in State.unfinished if state is not None]


class FailedTask(NamedTuple):
    """A task that failed for good in a failed run; ``failure`` is what it kept of that, None where it kept nothing."""

    dag_id: str
    run_id: str
    task_id: str
    ended_at: datetime | None
    model_name: str
    failure: FailureResult | None


def latest_runs(dag_ids: Collection[str]) -> dict[str, LatestRun]:
    """Return the newest run of each DAG that has one."""
    newest = select(func.max(DagRun.id)).where(DagRun.dag_id.in_(dag_ids)).group_by(DagRun.dag_id)
    query = select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.start_date).where(DagRun.id.in_(newest))
    with create_session() as session:
        return {row[0]: LatestRun(row[0], row[1], str(row[2]), row[3]) for row in session.execute(query)}


def unfinished_tasks(dag_ids: Collection[str]) -> tuple[TaskState, ...]:
    """Return the running and waiting tasks of unfinished runs, oldest run first."""
    query = (
        select(TaskInstance, DagRun.conf)
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(DagRun.dag_id.in_(dag_ids), DagRun.state.in_(("queued", "running")))
        .where(TaskInstance.state.in_(_UNFINISHED))
        .order_by(DagRun.id)
        .limit(MOST_TASKS)
    )
    with create_session() as session:
        return tuple(_task_state(task, conf) for task, conf in session.execute(query))


def _task_state(task: Any, conf: Any) -> TaskState:
    since = task.start_date or task.queued_dttm or task.scheduled_dttm
    named = conf.get("model_name", "") if isinstance(conf, dict) else ""
    return TaskState(task.dag_id, task.run_id, task.task_id, str(task.state), task.pool, since, str(named))


def failed_tasks(dag_ids: Collection[str], since: datetime) -> tuple[FailedTask, ...]:
    """Return the tasks that made runs fail since a moment, newest first; a run that was cleared is no longer failed."""
    query = (
        select(TaskInstance, DagRun.conf, XComModel.value)
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .outerjoin(
            XComModel,
            (XComModel.dag_id == TaskInstance.dag_id)
            & (XComModel.run_id == TaskInstance.run_id)
            & (XComModel.task_id == TaskInstance.task_id)
            & (XComModel.key == FAILURE),
        )
        .where(DagRun.dag_id.in_(dag_ids), DagRun.state == "failed", TaskInstance.state == "failed")
        .where(DagRun.end_date >= since)
        .order_by(TaskInstance.end_date.desc())
        .limit(MOST_FAILURES)
    )
    with create_session() as session:
        return tuple(_failed_task(task, conf, kept) for task, conf, kept in session.execute(query))


def _failed_task(task: Any, conf: Any, kept: Any) -> FailedTask:
    failure = None
    with suppress(ValidationError, TypeError):
        failure = FailureResult.model_validate_json(kept) if isinstance(kept, str) else None
        failure = failure or FailureResult.model_validate(kept)
    named = conf.get("model_name", "") if isinstance(conf, dict) else ""
    model_name = failure.model_name if failure else str(named)
    return FailedTask(task.dag_id, task.run_id, task.task_id, task.end_date, model_name, failure)


def task_times(dag_id: str, run_id: str) -> tuple[TaskTime, ...]:
    """Return when the tasks of a run began and ended."""
    query = select(TaskInstance.task_id, TaskInstance.start_date, TaskInstance.end_date).where(
        TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
    )
    with create_session() as session:
        return tuple(TaskTime(*row) for row in session.execute(query))
