"""Skip a task and say why, where a person looks first; or skip later ones, so that no process starts for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException, DownstreamTasksSkipped

log = logging.getLogger(__name__)


def skip(reason: str) -> NoReturn:
    """Skip the task; its log says why.

    Airflow itself writes the reason into a group of the log that is closed when the log is opened.
    """
    log.info("Skipped: %s", reason)
    raise AirflowSkipException(reason)


def skip_ahead(context: Any, task_ids: Iterable[str] | None, result: Any) -> None:
    """End the task with this result and mark later tasks as skipped: with None, all but the teardowns.

    Does nothing when there is nothing to skip. A task that is cleared afterwards runs.
    """
    later = context["task"].get_flat_relatives(upstream=False)
    skipped = [one.task_id for one in later if not one.is_teardown] if task_ids is None else list(task_ids)
    if skipped:
        context["ti"].xcom_push("return_value", result)  # Airflow stores none for a task that ends like this
        raise DownstreamTasksSkipped(tasks=skipped)
