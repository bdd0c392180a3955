"""Runs an import DAG in this process: every task in order, with its callbacks, without a database or a scheduler."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from tests.support.task_run import FakeTaskInstance, run_task


class RunTaskInstance(FakeTaskInstance):
    """One task's view of a run: the XComs of all tasks, and their states."""

    def __init__(self, dag_id: str, run_id: str, results: dict[str, Any], states: dict[str, str]) -> None:
        super().__init__()
        self.dag_id, self.run_id, self.task_id = dag_id, run_id, ""
        self.log_url = "http://127.0.0.1:8080/"
        self._results, self._states = results, states

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self._results.get(task_ids) if key == "return_value" else None

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {run_ids[0]: dict(self._states)}


def run_dag(dag: DAG, run_id: str, conf: dict[str, Any]) -> dict[str, Any]:
    """What the tasks left, by task; the first error ends the run, after its task's callback."""
    results: dict[str, Any] = {}
    states: dict[str, str] = {}
    ti = RunTaskInstance(dag.dag_id, run_id, results, states)
    params = {name: param.value for name, param in dag.params.items() if name not in conf} | conf
    context: Any = {
        "dag": dag,
        "run_id": run_id,
        "ti": ti,
        "params": params,
        "dag_run": SimpleNamespace(conf=conf, run_id=run_id),
        "outlet_events": MagicMock(),
    }
    for task in dag.topological_sort():
        ti.task_id, context["task"] = task.task_id, task
        if task.trigger_rule == "all_success" and "skipped" in {states[name] for name in task.upstream_task_ids}:
            states[task.task_id] = "skipped"
            continue
        try:
            results[task.task_id] = _run(task, context, ti)
            states[task.task_id] = "success"
        except AirflowSkipException:
            states[task.task_id] = "skipped"
            continue
        except Exception as error:
            for callback in _callbacks(task.on_failure_callback):
                with suppress(Exception):  # Airflow logs a callback's own failure, and goes on
                    callback({**context, "exception": error})
            raise
        for callback in _callbacks(task.on_success_callback):
            callback(context)
    return results


def _run(task: Any, context: Any, ti: RunTaskInstance) -> Any:
    if hasattr(task, "python_callable"):
        return task.python_callable(**context)
    task = task.prepare_for_execution()
    task.render_template_fields(context)
    return run_task(task, ti)


def _callbacks(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (list, tuple)) else [found] if found else []
