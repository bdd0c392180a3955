"""Airflow's API app in this process, beside the stand-in for AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.airflow_app import PAGE, AirflowApp, airflow_app
from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(("--import-seconds", "0", "--max-imported-models", "3")) as process:
        yield process


@pytest.fixture(scope="session")
def app(local_aws: LocalAwsProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowApp]:
    with airflow_app(local_aws.endpoint_url, tmp_path_factory.mktemp("airflow")) as app:
        yield app


@pytest.fixture(scope="session")
def visit(app: AirflowApp) -> Callable[..., Any]:
    """Return answers of the page's app to a user, or to somebody who has not logged in."""

    def get(path: str, user: str | None = "viewer", **headers: str) -> Any:
        return app.client(user).get(PAGE + path, headers=headers)

    return get
