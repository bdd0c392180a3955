"""A real Airflow whose model is imported again whenever a fine-tune lands, once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.demo.processes import ProcessGroup
from tests.long.events.event_system import EventSystem, start


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventSystem]:
    folder = tmp_path_factory.mktemp("events")
    group = ProcessGroup(folder / "processes")
    try:
        yield start(folder, group)
    finally:
        group.stop()
