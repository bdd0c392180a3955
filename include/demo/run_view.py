"""Follow a DAG run through Airflow's REST API and show each task's progress in the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console

from include.demo.airflow_server import AirflowApi
from include.errors import ModelImportError

POLL_SECONDS = 0.5
RUN_TIMEOUT = 540.0
STYLES = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "red",
    "skipped": "magenta",
    "running": "cyan",
    "deferred": "blue",
    "up_for_retry": "yellow",
}
FINISHED = {"success", "failed", "skipped", "upstream_failed", "removed"}


class RunFailedError(ModelImportError):
    """The DAG run failed."""

    def __init__(self, dag_id: str, task_id: str, error: str, url: str) -> None:
        super().__init__(f"{dag_id} failed in task", task_id, found=error, remedy=f"The run: {url}")


class RunTimeoutError(ModelImportError):
    """The DAG run did not end in time."""

    def __init__(self, dag_id: str, waiting: str, url: str) -> None:
        super().__init__(
            f"{dag_id} did not end", waiting, f"an end within {RUN_TIMEOUT:.0f} s", remedy=f"The run: {url}"
        )


def _seconds(instance: Mapping[str, Any]) -> str:
    if not instance["start_date"] or not instance["end_date"]:
        return ""
    began, ended = (datetime.fromisoformat(instance[key]) for key in ("start_date", "end_date"))
    return f"{(ended - began).total_seconds():5.1f} s"


def _show(instance: Mapping[str, Any], began: float, console: Console) -> None:
    state = instance["state"]
    took = _seconds(instance) if state in FINISHED else ""
    clock = f"{time.monotonic() - began:5.1f} s"
    console.print(f"  [dim]{clock}[/]  {instance['task_id']:<20} [{STYLES.get(state, 'white')}]{state:<10}[/] {took}")


def follow_run(airflow: AirflowApi, dag_id: str, run_id: str, console: Console) -> dict[str, Any]:
    """Print each change of a task's state until the run ends; return the tasks' XCom values by task.

    Raises:
        RunFailedError: names the task that failed and its error.
        RunTimeoutError: the run did not end in time.
    """
    began = time.monotonic()
    seen: dict[str, str] = {}
    path = f"/dags/{dag_id}/dagRuns/{run_id}"
    url = f"{airflow.url}/dags/{dag_id}/runs/{run_id}"
    while True:
        state = airflow.get(path)["state"]
        instances = airflow.get(f"{path}/taskInstances")["task_instances"]
        for instance in sorted(instances, key=lambda found: found["start_date"] or ""):
            if instance["state"] and seen.get(instance["task_id"]) != instance["state"] != "scheduled":
                seen[instance["task_id"]] = instance["state"]
                _show(instance, began, console)
                if instance["state"] == "awaiting_input":
                    where = f"{url}/tasks/{instance['task_id']}/required_actions"
                    console.print(f"           A person has to answer: [b]{where}[/]")
        if state in ("success", "failed"):
            break
        if time.monotonic() - began > RUN_TIMEOUT:
            raise RunTimeoutError(dag_id, f"{run_id} waits for {', '.join(_unfinished(instances))}", url)
        time.sleep(POLL_SECONDS)
    _raise_on_failure(airflow, dag_id, run_id, instances, url)
    tasks = [instance["task_id"] for instance in instances if instance["state"] == "success"]
    return {task_id: airflow.xcom(dag_id, run_id, task_id) for task_id in tasks}


def _unfinished(instances: list[dict[str, Any]]) -> list[str]:
    return [instance["task_id"] for instance in instances if instance["state"] not in FINISHED]


def _raise_on_failure(airflow: AirflowApi, dag_id: str, run_id: str, instances: list[dict[str, Any]], url: str) -> None:
    for instance in instances:
        if instance["state"] == "failed":
            error = airflow.last_error(dag_id, run_id, instance["task_id"], instance["try_number"])
            raise RunFailedError(dag_id, instance["task_id"], error, url)
