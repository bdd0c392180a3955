"""Explain what a task of a running import or fine-tune waits for."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from include.config.names import FORM_DAG_ID, fine_tune_dag_id, import_dag_id


class TaskState(NamedTuple):
    """An unfinished task of an unfinished run; ``model_name`` is what the run's parameters say, if they do."""

    dag_id: str
    run_id: str
    task_id: str
    state: str
    pool: str
    since: datetime | None
    model_name: str


class LatestRun(NamedTuple):
    """The newest run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    started_at: datetime | None


#: By task and state, then by state alone.
_TASK_WAITS = {
    ("create_import_job", "deferred"): "its turn: Bedrock runs one import at a time",
    ("wait_for_import", "deferred"): "Bedrock to import it",
    ("warm_up", "deferred"): "the imported model's first answer",
    ("watch_canary", "deferred"): "the calls of the canary",
    ("start_training", "deferred"): "SageMaker to accept the training job",
    ("wait_for_training", "deferred"): "SageMaker to train it",
}
_STATE_WAITS = {
    "awaiting_input": "a person to decide",
    "deferred": "an event",
    "queued": "a free worker",
    "scheduled": "a free slot of the pool {pool}",
    "up_for_retry": "its next try",
    "up_for_reschedule": "its next look",
}


def waits_for(task: TaskState, running_jobs: tuple[str, ...] = ()) -> str:
    """Return what the task waits for; empty if it is working.

    Args:
        task: the task.
        running_jobs: import jobs that Bedrock runs, to be named as the reason.
    """
    words = _TASK_WAITS.get((task.task_id, task.state)) or _STATE_WAITS.get(task.state, "")
    if (task.task_id, task.state) == ("create_import_job", "deferred") and running_jobs:
        words += f", now {', '.join(running_jobs)}"
    return words.format(pool=task.pool)


def belongs_to(model_name: str, dag_id: str, run_model_name: str) -> bool:
    """Return whether a run imports or fine-tunes this model: one of its own DAGs, or of the form with its name."""
    own = (import_dag_id(model_name), fine_tune_dag_id(model_name))
    return dag_id in own or (dag_id == FORM_DAG_ID and run_model_name == model_name)
