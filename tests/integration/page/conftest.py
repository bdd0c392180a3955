"""Airflow's API app in this process, with its own login and database, beside the stand-in for AWS."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.airflow_site import PAGE, USERS
from tests.local_aws_process import LocalAwsProcess

DAGS = ("import_model", "import_capitals", "import_secret", "retire_imported_models")


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(("--import-seconds", "0", "--max-imported-models", "3")) as process:
        yield process


@pytest.fixture(scope="session")
def environment(local_aws: LocalAwsProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of Airflow for these tests; returned are the users' passwords."""
    passwords = {user: secrets.token_urlsafe(12) for user in USERS}
    file = tmp_path_factory.mktemp("airflow") / "passwords.json"
    file.write_text(json.dumps(passwords))
    extra: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": local_aws.endpoint_url}
    connection = {"conn_type": "aws", "login": "key-id", "password": "the-secret-key", "extra": extra}
    with pytest.MonkeyPatch.context() as patch:
        users = ",".join(f"{user}:{role}" for user, role in USERS.items())
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(file))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", secrets.token_hex(32))
        patch.setenv("AIRFLOW__API__SECRET_KEY", secrets.token_hex(32))
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        yield passwords


@pytest.fixture(scope="session")
def app(environment: dict[str, str]) -> Any:
    from airflow.api_fastapi.app import create_app
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    with create_session() as session:
        session.add(DagBundleModel(name="dags-folder"))
        session.flush()
        session.add_all(DagModel(dag_id=dag_id, bundle_name="dags-folder") for dag_id in DAGS)
    return create_app("core")


@pytest.fixture(scope="session")
def visit(app: Any, environment: dict[str, str]) -> Callable[..., Any]:
    """Return answers of the page's app to a user, or to somebody who has not logged in."""
    tokens: dict[str, str] = {}

    def get(path: str, user: str | None = "viewer", **headers: str) -> Any:
        client = TestClient(app, follow_redirects=False)
        if user:
            if user not in tokens:
                credentials = {"username": user, "password": environment[user]}
                tokens[user] = client.post("/auth/token", json=credentials).json()["access_token"]
            client.cookies.set("_token", tokens[user])
        return client.get(PAGE + path, headers=headers)

    return get


@pytest.fixture(scope="session")
def project() -> Path:
    return Path(__file__).parents[3]
