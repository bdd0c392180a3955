"""Skip a task and say why, where a person looks first."""

from __future__ import annotations

import logging
from typing import NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException

log = logging.getLogger(__name__)


def skip(reason: str) -> NoReturn:
    """Skip the task; its log says why.

    Airflow itself writes the reason into a group of the log that is closed when the log is opened.
    """
    log.info("Skipped: %s", reason)
    raise AirflowSkipException(reason)
