"""Runs of import DAGs in Airflow's database, as its scheduler would leave them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from include.steps.results import FAILURE, FailureResult


class PastTask(NamedTuple):
    """A task that ended: its state, and after how many seconds of the run it began and ended."""

    state: str
    began: float
    ended: float
    failure: FailureResult | None = None


def add_run(
    dag_id: str,
    run_id: str,
    state: str,
    tasks: Mapping[str, PastTask],
    *,
    conf: Mapping[str, Any] | None = None,
    age: timedelta = timedelta(hours=1),
) -> None:
    """Add a run that began some time ago, with its tasks and what they left."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    began = datetime.now(UTC) - age
    with create_session() as session:
        run = DagRun(
            dag_id=dag_id, run_id=run_id, run_type=DagRunType.MANUAL, state=state, conf=conf,
            triggered_by=DagRunTriggeredByType.TEST, run_after=began, start_date=began,
        )  # fmt: skip
        run.end_date = began + timedelta(seconds=max((task.ended for task in tasks.values()), default=0))
        session.add(run)
        session.flush()
        for task_id, task in tasks.items():
            start, end = (began + timedelta(seconds=seconds) for seconds in (task.began, task.ended))
            values = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
            insert = TaskInstance.__table__.insert().values(
                **values, state=task.state, start_date=start, end_date=end, pool="default_pool"
            )
            session.execute(insert)
            if task.failure:
                value = json.dumps(task.failure.model_dump(mode="json"))
                session.add(XComModel(dag_run_id=run.id, **values, map_index=-1, key=FAILURE, value=value))
