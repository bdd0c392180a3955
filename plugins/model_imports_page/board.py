"""The list of models as one viewer sees it: AWS's answers joined with Airflow's runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from include.config.names import fine_tune_dag_id, import_dag_id
from include.overview.account import Account, ImportJob
from include.run.names import model_name_of
from include.steps.waiting import LatestRun, TaskState, belongs_to, waits_for
from model_imports_page.access import Viewer
from model_imports_page.runs import FailedTask, failed_tasks, latest_runs, unfinished_tasks

FAILURES_FOR = timedelta(days=7)
#: DAGs that change the models' versions without importing.
OTHER_DAGS = frozenset({"roll_back_model", "retire_imported_models"})


class Task(NamedTuple):
    """A task that is running (``waits_for`` empty) or waiting."""

    state: TaskState
    model_name: str
    waits_for: str


class Line(NamedTuple):
    """A model of the list."""

    name: str
    imported: int
    run: LatestRun | None
    tasks: tuple[Task, ...]


class Board(NamedTuple):
    """Everything in the list that this viewer may see; ``hidden_imports`` are imported models of others."""

    lines: tuple[Line, ...]
    tasks: tuple[Task, ...]
    jobs: tuple[ImportJob, ...]
    running_jobs: tuple[str, ...]
    hidden_imports: int
    failures: tuple[FailedTask, ...]


def _task(state: TaskState, models: dict[str, str], running_jobs: tuple[str, ...]) -> Task:
    return Task(state, models.get(state.dag_id, state.model_name), waits_for(state, running_jobs))


def _running(account: Account, names: tuple[str, ...]) -> tuple[str, ...]:
    mine = [job for job in account.occupancy.running if model_name_of(job) in names]
    others = len(account.occupancy.running) - len(mine)
    return (*mine, *([f"{others} of others"] if others else []))


def read_board(account: Account, viewer: Viewer) -> Board:
    """Return the list for a viewer; three queries to Airflow's database."""
    names = tuple(name for name in account.model_names if viewer.may_see(name))
    models = {dag_id(name): name for name in names for dag_id in (import_dag_id, fine_tune_dag_id)}
    dags = viewer.readable_dags & (viewer.import_dags | viewer.fine_tune_dags)
    runs, running_jobs = latest_runs(dags), _running(account, names)
    tasks = tuple(_task(state, models, running_jobs) for state in unfinished_tasks(dags))
    imported = account.imported_per_model
    lines = tuple(
        Line(
            name,
            imported[name],
            runs.get(import_dag_id(name)),
            tuple(task for task in tasks if belongs_to(name, task.state.dag_id, task.state.model_name)),
        )
        for name in names
    )
    hidden = sum(model_name_of(name) not in names for name in account.occupancy.imported)
    jobs = tuple(job for job in account.jobs if job.model_name in names)
    failures = failed_tasks(dags | (viewer.readable_dags & OTHER_DAGS), datetime.now(UTC) - FAILURES_FOR)
    failures = tuple(each._replace(model_name=each.model_name or models.get(each.dag_id, "")) for each in failures)
    return Board(lines, tasks, jobs, running_jobs, hidden, failures)
