"""Runs of the import DAGs and what their tasks do, read from Airflow's metadata database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import State
from sqlalchemy import func, select

from include.steps.waiting import LatestRun, TaskState

MOST_TASKS = 500
_UNFINISHED = [state.value for state in State.unfinished if state is not None]


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
