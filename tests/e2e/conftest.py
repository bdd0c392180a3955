"""A real Airflow (API server, scheduler, DAG processor, triggerer) beside the stand-in for AWS, once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.demo.environment import DemoEnvironment
from tests.airflow_system import DAG_ID, System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    demo = DemoEnvironment(tmp_path_factory.mktemp("system") / "demo")
    try:
        environment, _ = demo.start()
        environment.airflow.wait_until_ready(DAG_ID, demo.group)
        yield System(environment)
    finally:
        demo.stop()
