"""Runs a DAG in this process: every task in order, with its callbacks, without a database or a scheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import MagicMock, patch

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    DownstreamTasksSkipped,
)
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG
from airflow.sdk.bases.decorator import KeywordParameters
from airflow.sdk.definitions.xcom_arg import PlainXComArg

from airflow_versions import RetryAction
from tests.support.task_run import FakeTaskInstance, run_task

log = logging.getLogger(__name__)


class Tries(Protocol):
    """Hears when a try of a task begins, and says whether a failed one is followed by another."""

    def begin(self, task: str) -> None:
        """A try begins."""

    def again(self, task: Any, error: Exception) -> bool:
        """Whether the task is run again after it failed with this error."""


class OneTry:
    """No task is run again."""

    def begin(self, task: str) -> None:
        """Do nothing."""

    def again(self, task: Any, error: Exception) -> bool:
        """Never."""
        return False


class RunTaskInstance(FakeTaskInstance):
    """One task's view of a run: the XComs of all tasks, and their states."""

    def __init__(self, dag_id: str, run_id: str, results: dict[str, Any], states: dict[str, str]) -> None:
        super().__init__()
        self.dag_id, self.run_id, self.task_id = dag_id, run_id, ""
        self.log_url = "http://127.0.0.1:8080/"
        self._results, self._states = results, states

    def xcom_push(self, key: str, value: Any) -> None:
        super().xcom_push(key, value)
        if key == "return_value":
            self._results[self.task_id] = self.xcoms[key]

    def xcom_pull(self, task_ids: str, key: str = "return_value", **_: Any) -> Any:
        result = self._results.get(task_ids)
        if key == "return_value":
            return result
        return result.get(key) if isinstance(result, dict) else None  # a key of several outputs

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {run_ids[0]: dict(self._states)}


def would_be_retried(task: Any, error: Exception) -> bool:
    """Whether Airflow's task runner has a task with retries left run again after it failed with this error."""
    if isinstance(error, AirflowFailException | AirflowSensorTimeout):
        return False
    policy = task.retry_policy
    decision = policy.evaluate(error, 1, task.retries) if policy else None
    return task.retries > 0 and (decision is None or decision.action != RetryAction.FAIL)


def run_dag(
    dag: DAG, run_id: str, conf: dict[str, Any], tries: Tries | None = None, run_type: str = "manual"
) -> dict[str, Any]:
    """What the tasks left, by task; an error after which a task is not tried again ends the run, after its callback."""
    results: dict[str, Any] = {}
    states: dict[str, str] = {}
    ti = RunTaskInstance(dag.dag_id, run_id, results, states)
    params = {name: param.value for name, param in dag.params.items() if name not in conf} | conf
    dag_run = SimpleNamespace(conf=conf, run_id=run_id, run_type=run_type, triggering_user_name="maria")
    context: Any = {
        "dag": dag,
        "run_id": run_id,
        "ti": ti,
        "params": params,
        "dag_run": dag_run,
        "outlet_events": MagicMock(),
    }
    for task in dag.topological_sort():
        ti.task_id, context["task"] = task.task_id, task
        if states.get(task.task_id) == "skipped":
            continue
        if task.trigger_rule == "all_success" and "skipped" in {states[name] for name in task.upstream_task_ids}:
            states[task.task_id] = "skipped"
            continue
        try:
            results[task.task_id] = _run_with_tries(task, context, ti, tries or OneTry())
            states[task.task_id] = "success"
        except AirflowSkipException:
            states[task.task_id] = "skipped"
            continue
        except DownstreamTasksSkipped as skip:
            states |= {task.task_id: "success"} | dict.fromkeys(skip.tasks, "skipped")
        except Exception as error:
            _call_back(task.on_failure_callback, {**context, "exception": error})
            raise
        _call_back(task.on_success_callback, context)
    return results


def _run_with_tries(task: Any, context: Any, ti: RunTaskInstance, tries: Tries) -> Any:
    while True:
        tries.begin(task.task_id)
        try:
            return _run(task, context, ti)
        except (AirflowSkipException, DownstreamTasksSkipped):
            raise
        except Exception as error:
            if not tries.again(task, error):
                raise


def _run(task: Any, context: Any, ti: RunTaskInstance) -> Any:
    if hasattr(task, "python_callable"):
        arguments = [_result(each, ti) for each in task.op_args]
        named = KeywordParameters.determine(task.python_callable, arguments, context).unpacking()
        return task.python_callable(*arguments, **named, **task.op_kwargs)
    task = task.prepare_for_execution()
    task.render_template_fields(context)
    if isinstance(task, HITLOperator):
        return _answered(task, context)
    return run_task(task, ti)


def _result(argument: Any, ti: RunTaskInstance) -> Any:
    return ti.xcom_pull(argument.operator.task_id) if isinstance(argument, PlainXComArg) else argument


def _answered(task: Any, context: Any) -> Any:
    """What the task leaves when a person approves."""

    def ask(self: Any, context: Any) -> None:
        for notifier in self.notifiers:
            notifier(context)

    with patch.object(HITLOperator, "execute", ask):
        task.execute(context)
    event = {
        "chosen_options": ["Approve"],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": "joe", "name": "joe"},
    }
    return task.execute_complete(context, event)


def _call_back(found: Any, context: Any) -> None:
    """Call callbacks as Airflow does: a failing callback is logged, and the run continues."""
    callbacks: list[Callable[..., Any]] = list(found) if isinstance(found, list | tuple) else [found] if found else []
    for callback in callbacks:
        try:
            callback(context)
        except Exception:
            log.exception("The callback of %s failed", context["task"].task_id)
