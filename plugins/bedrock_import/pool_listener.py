"""Makes the missing pools when a component of Airflow starts: a task in a pool that nobody made is never scheduled."""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

from bedrock_import.pools import DESCRIPTION, POOLS

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Make the missing pools. Scheduler, DAG processor and triggerer are jobs; a task has no database to ask."""
    if getattr(component, "__tablename__", None) == "job":
        make_missing_pools()


def make_missing_pools() -> None:
    """Make those pools that do not exist; one that does stays as somebody has set it."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy.exc import IntegrityError

    try:
        with create_session() as session:
            existing = {pool.pool for pool in Pool.get_pools(session=session)}
            missing = [name for name in POOLS if name not in existing]
            session.add_all(
                Pool(pool=name, slots=1, description=DESCRIPTION, include_deferred=True) for name in missing
            )
    except IntegrityError:
        log.info("Another component makes the pools for imports at this moment")
        return
    if missing:
        log.info("Made the pools %s", ", ".join(missing))
