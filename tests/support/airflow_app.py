"""Airflow's API app, UI and login in this process, with a database of its own, beside the stand-in for AWS."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Route

#: By user: the role of Airflow's simple auth manager. The last one has logged in and may do nothing.
USERS = {"viewer": "viewer", "nobody": ""}
PAGE = "/model-imports/"
DAGS = ("import_model", "import_capitals", "import_secret", "fine_tune_capitals", "retire_imported_models")


CONNECTION = "AIRFLOW_CONN_AWS_DEFAULT"


def connection_to(endpoint_url: str) -> str:
    """Return the connection as Airflow reads it from the environment."""
    extra = {"region_name": "us-east-1", "endpoint_url": endpoint_url}
    return json.dumps({"conn_type": "aws", "login": "key-id", "password": "the-secret-key", "extra": extra})


class AirflowApp:
    """The app, and visits to it."""

    def __init__(self, app: Any, passwords: dict[str, str]) -> None:
        self._app = app
        self._passwords = passwords
        self._tokens: dict[str, str] = {}

    def client(self, user: str | None) -> Any:
        """Return a client with the cookie that the user's login leaves; redirects are not followed."""
        from fastapi.testclient import TestClient

        client = TestClient(self._app, follow_redirects=False)
        if user:
            client.cookies.set("_token", self._token(user, client))
        return client

    def _token(self, user: str, client: Any) -> str:
        if user not in self._tokens:
            credentials = {"username": user, "password": self._passwords[user]}
            self._tokens[user] = client.post("/auth/token", json=credentials).json()["access_token"]
        return self._tokens[user]


def answer(app: AirflowApp, route: Route) -> None:
    """Answer a request of the browser as a user who may read everything gets it answered."""
    address = urlsplit(route.request.url)
    path = f"{address.path}?{address.query}" if address.query else address.path
    found = app.client("viewer").request(
        route.request.method, path, headers=route.request.headers, content=route.request.post_data_buffer
    )
    headers = {key: value for key, value in found.headers.items() if key != "content-encoding"}
    route.fulfill(status=found.status_code, body=found.content, headers=headers)


@contextmanager
def airflow_app(folder: Path) -> Iterator[AirflowApp]:
    """Yield Airflow's app, which knows the DAGs by name only; its connection to AWS is the caller's to set."""
    passwords = {user: secrets.token_urlsafe(12) for user in USERS}
    file = folder / "passwords.json"
    file.write_text(json.dumps(passwords))
    with pytest.MonkeyPatch.context() as patch:
        users = ",".join(f"{user}:{role}" for user, role in USERS.items())
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(file))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", secrets.token_hex(32))
        patch.setenv("AIRFLOW__API__SECRET_KEY", secrets.token_hex(32))
        yield AirflowApp(_create(), passwords)


def _create() -> Any:
    from airflow.api_fastapi.app import create_app
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
        session.flush()
        for dag_id in DAGS:
            session.merge(DagModel(dag_id=dag_id, bundle_name="dags-folder"))
    return create_app("core")
