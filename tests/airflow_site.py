"""An Airflow of which only the API server runs, beside the stand-in for AWS: enough to look at pages."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests

from include.demo.airflow_server import airflow_environment
from include.demo.environment import REGION, STAND_IN_KEY_ID, STAND_IN_SECRET, start_stand_in
from include.demo.processes import LOOPBACK, ProcessGroup, free_port, inherited_environment

READY_SECONDS = 120.0
#: By user: the role of Airflow's simple auth manager. The last one has logged in and may do nothing.
USERS = {"admin": "admin", "viewer": "viewer", "nobody": ""}
PAGE = "/model-imports/"


class Site(NamedTuple):
    """Where the API server and the stand-in are, and who may log in."""

    url: str
    aws_endpoint: str
    passwords: Mapping[str, str]
    group: ProcessGroup

    @property
    def page(self) -> str:
        """The address of the page of imported models."""
        return self.url + PAGE

    def token(self, user: str) -> str:
        """Log in and return the token that Airflow keeps in a cookie."""
        credentials = {"username": user, "password": self.passwords[user]}
        answer = requests.post(f"{self.url}/auth/token", json=credentials, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def get(self, path: str, user: str | None = None, **headers: str) -> requests.Response:
        """Get a path of the page as a browser with that user's cookie does; redirects are not followed."""
        cookies = {"_token": self.token(user)} if user else {}
        address = self.page + path.removeprefix("/")
        return requests.get(address, cookies=cookies, headers=headers, timeout=60, allow_redirects=False)


def airflow(environment: Mapping[str, str], *arguments: str) -> None:
    """Run an Airflow command to its end."""
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")


def start_site(folder: Path, *stand_in_options: str, **settings: str) -> Site:
    """Start the stand-in and the API server, which knows the project's DAGs; further settings are Airflow's."""
    folder.mkdir(parents=True)
    group = ProcessGroup(folder)
    endpoint = start_stand_in(group, 0, *stand_in_options)
    port, _ = free_port(0)
    extra: dict[str, Any] = {"region_name": REGION, "endpoint_url": endpoint}
    connection = {"conn_type": "aws", "login": STAND_IN_KEY_ID, "password": STAND_IN_SECRET, "extra": extra}
    environment = inherited_environment() | airflow_environment(folder / "airflow", port, connection, {}) | settings
    environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(f"{user}:{role}" for user, role in USERS.items())
    passwords = {user: secrets.token_urlsafe(12) for user in USERS}
    (folder / "airflow").mkdir()
    (folder / "airflow" / "passwords.json").write_text(json.dumps(passwords))
    airflow(environment, "db", "migrate")
    airflow(environment, "dags", "reserialize")
    command = [sys.executable, "-m", "airflow", "api-server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    group.start("api-server", command, environment)
    site = Site(environment["AIRFLOW__API__BASE_URL"], endpoint, passwords, group)
    _wait_until_ready(site)
    return site


def _wait_until_ready(site: Site) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        site.group.check()
        try:
            if requests.get(f"{site.url}/api/v2/version", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.3)
    raise TimeoutError(f"the API server is not ready: see {site.group.log_file('api-server')}")
