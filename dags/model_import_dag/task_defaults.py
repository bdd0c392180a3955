"""The default arguments of the tasks of a DAG."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from model_import_dag.notifications import notify_failure
from model_import_dag.timeouts import QUICK


def task_defaults(retry_delay_seconds: float = 30) -> dict[str, Any]:
    """Return the default arguments: two retries, and a notification of the failure."""
    return {
        "retries": 2,
        "execution_timeout": QUICK,
        "retry_delay": timedelta(seconds=retry_delay_seconds),
        "on_failure_callback": notify_failure,
        "show_return_value_in_logs": False,
    }
