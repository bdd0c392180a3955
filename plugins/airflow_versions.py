"""What differs between Airflow 3.1, 3.2 and 3.3; no other module of the DAGs and plugins depends on the version.

docs/airflow-versions.md says what is missing on the older ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = [
    "SHARED_STREAMS",
    "RetryAction",
    "RetryDecision",
    "RetryPolicy",
    "TaskDeferralError",
    "newest_first",
    "set_retry_policy",
]

#: Triggers of one triggerer can share the reader of a queue: from 3.3.
SHARED_STREAMS = find_spec("airflow.triggers.shared_stream") is not None
#: Tasks take a retry policy: from 3.3.
RETRY_POLICIES = find_spec("airflow.sdk.definitions.retry_policy") is not None

try:
    from airflow.sdk.exceptions import TaskDeferralError  # from 3.2
except ImportError:
    from airflow.exceptions import TaskDeferralError  # type: ignore[no-redef]

if RETRY_POLICIES:
    from airflow.sdk import RetryAction, RetryDecision, RetryPolicy
else:

    class RetryAction(Enum):  # type: ignore[no-redef]
        """What follows a failed try, as in Airflow 3.3."""

        RETRY = "retry"
        FAIL = "fail"
        DEFAULT = "default"

    @dataclass(frozen=True)
    class RetryDecision:  # type: ignore[no-redef]
        """The result of a retry policy, as in Airflow 3.3."""

        action: Any = RetryAction.DEFAULT
        reason: str | None = None

    class RetryPolicy:  # type: ignore[no-redef]
        """The base of a retry policy, as in Airflow 3.3; ``set_retry_policy`` applies it."""


def set_retry_policy(dag: DAG, policy: RetryPolicy) -> DAG:
    """Have a policy decide about the retries of all tasks of a DAG, and return the DAG.

    Before Airflow 3.3 a task that fails with an error after which the policy wants no further try fails with
    the same error, which is then an AirflowFailException too.
    """
    tasks: list[Any] = dag.tasks
    for task in tasks:
        task.retry_policy = policy
        if not RETRY_POLICIES:
            for method in ("execute", "resume_execution"):
                setattr(task, method, partial(_run, method))
    return dag


def _run(method: str, *, context: Any, **kwargs: Any) -> Any:
    """Run a method of the context's task, whose templates are rendered, and mark an error that is final."""
    task = context["task"]
    try:
        return getattr(type(task), method)(task, context=context, **kwargs)
    except Exception as error:
        decision = task.retry_policy.evaluate(error, context["ti"].try_number, task.retries, context)
        if decision.action is RetryAction.FAIL:
            error.__class__ = _failing_at_once(type(error))
        raise


def _failing_at_once(kind: type[Exception]) -> type[Exception]:
    """Return a subclass of an error's class, of the same name, after which Airflow does not try again."""
    if issubclass(kind, AirflowFailException):
        return kind
    return type(kind.__name__, (kind, AirflowFailException), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def newest_first(events: Any, limit: int) -> list[Any]:
    """Return the last events of an asset in a task's ``inlet_events``, at most so many."""
    if hasattr(events, "ascending"):  # from 3.2
        return list(events.ascending(False).limit(limit))
    return list(islice(reversed(events), limit))
