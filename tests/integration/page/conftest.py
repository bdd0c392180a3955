"""Airflow's API app in this process, beside a stand-in for AWS for each module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.airflow_app import CONNECTION, PAGE, AirflowApp, airflow_app, connection_to
from tests.support.local_aws_process import LocalAwsProcess


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(("--import-seconds", "0", "--max-imported-models", "3")) as process:
        yield process


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowApp]:
    with airflow_app(tmp_path_factory.mktemp("airflow")) as app:
        yield app


@pytest.fixture(scope="module")
def app(airflow: AirflowApp, local_aws: LocalAwsProcess) -> Iterator[AirflowApp]:
    """Airflow's app, whose page reads this module's account and remembers nothing of another one."""
    from include.overview.reader import OverviewReader
    from include.run.workspace import MODELS_FOLDER
    from model_imports_page import routes
    from model_imports_page.connection import connect

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONNECTION, connection_to(local_aws.endpoint_url))
        patch.setattr(routes, "reader", OverviewReader(connect, MODELS_FOLDER))
        yield airflow


@pytest.fixture(scope="module")
def visit(app: AirflowApp) -> Callable[..., Any]:
    """Return answers of the page's app to a user, or to somebody who has not logged in."""

    def get(path: str, user: str | None = "viewer", **headers: str) -> Any:
        return app.client(user).get(PAGE + path, headers=headers)

    return get
