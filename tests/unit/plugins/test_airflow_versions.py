"""Airflow 3.1 and 3.2 keep what this project needs elsewhere, or not at all: one module knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import DAG, BaseOperator

import airflow_versions
from airflow_versions import RetryAction, RetryDecision, RetryPolicy, newest_first, set_retry_policy

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "plugins" / "airflow_versions.py"
#: Modules and names that Airflow 3.1 does not have, and other ways to ask for the version.
MISSING = {
    "airflow.sdk.exceptions", "airflow.sdk.serde", "airflow.sdk.conf", "airflow.sdk.RetryAction",
    "airflow.sdk.RetryDecision", "airflow.sdk.RetryPolicy", "airflow.sdk.RetryRule", "airflow.sdk.ExceptionRetryPolicy",
    "airflow.triggers.shared_stream", "airflow.version", "airflow.__version__", "importlib.metadata",
    "packaging.version",
}  # fmt: skip
#: The events need Airflow 3.3 as a whole; a model's file that asks for them is refused on an older one.
EVENTS = ROOT / "plugins" / "artifact_events"


class LastingError(Exception):
    """An error that would come back."""


class PassingError(Exception):
    """An error that may pass."""


class Policy(RetryPolicy):
    """Nothing follows a lasting error."""

    def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
        return RetryDecision(RetryAction.FAIL if isinstance(exception, LastingError) else RetryAction.DEFAULT)


class Raises(BaseOperator):
    """Raises an error that names its rendered field."""

    template_fields = ("field",)

    def __init__(self, error: type[Exception], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error, self.field = error, "{{ 6 * 7 }}"

    def execute(self, context: Any) -> None:
        raise self.error(self.field)

    def resume(self, context: Any, event: Any = None) -> None:
        raise self.error(f"resumed with {event}")


def run(error: type[Exception], method: str = "execute", **arguments: Any) -> None:
    """Run a task as the task runner of Airflow 3.1 and 3.2 does."""
    with DAG("dag") as dag:
        Raises(error=error, task_id="task")
    task: Any = set_retry_policy(dag, Policy()).get_task("task").prepare_for_execution()
    task.render_template_fields({})
    getattr(task, method)(context={"task": task, "ti": SimpleNamespace(try_number=1)}, **arguments)


@pytest.fixture
def before_3_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_versions, "RETRY_POLICIES", False)


@pytest.mark.usefixtures("before_3_3")
def test_before_airflow_3_3_a_lasting_error_stays_the_same_and_is_one_that_airflow_never_retries() -> None:
    with pytest.raises(LastingError, match="42") as caught:
        run(LastingError)
    assert isinstance(caught.value, AirflowFailException)
    assert caught.type.__name__ == "LastingError"
    assert caught.value.__traceback__ is not None


@pytest.mark.usefixtures("before_3_3")
def test_before_airflow_3_3_a_lasting_error_after_a_wait_ends_the_task_too() -> None:
    with pytest.raises(AirflowFailException, match="resumed with done"):
        run(LastingError, "resume_execution", next_method="resume", next_kwargs={"event": "done"})


@pytest.mark.usefixtures("before_3_3")
@pytest.mark.parametrize("error", [PassingError, AirflowSkipException])
def test_before_airflow_3_3_any_other_error_is_airflows_to_judge(error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        run(error)
    assert caught.type is error


@pytest.mark.skipif(not airflow_versions.RETRY_POLICIES, reason="Airflow 3.3 and newer have retry policies")
def test_from_airflow_3_3_on_airflow_itself_asks_the_policy() -> None:
    with pytest.raises(LastingError) as caught:
        run(LastingError)
    assert caught.type is LastingError


class Accessor(list[int]):
    """Events as Airflow 3.2 and newer give them to a task."""

    def ascending(self, ascending: bool) -> Accessor:
        return self if ascending else Accessor(reversed(self))

    def limit(self, limit: int) -> Accessor:
        return Accessor(self[:limit])


@pytest.mark.parametrize("events", [[1, 2, 3], Accessor([1, 2, 3])])
def test_the_newest_events_come_first_however_airflow_gives_them(events: Any) -> None:
    assert newest_first(events, 2) == [3, 2]


def taken(path: Path) -> Iterator[str]:
    """Yield each module that a file imports, each name that it takes from one, and each exception that it handles."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name):
            yield node.type.id


def test_only_one_module_of_the_dags_and_plugins_depends_on_airflows_version() -> None:
    paths = [path for folder in ("dags", "plugins") for path in (ROOT / folder).rglob("*.py")]
    dependent = {
        path for path in paths for name in taken(path) if name in MISSING | {"ImportError", "ModuleNotFoundError"}
    }
    assert dependent - {MODULE} == {EVENTS / "producer.py", EVENTS / "triggers.py"}
