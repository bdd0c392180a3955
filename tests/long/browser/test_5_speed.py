"""How fast the page is, by Chromium's own clock: a real API server over HTTP, 50 models of 100 versions.

It prints what it measures. It has a stand-in of its own, as that of the other files is gone when it runs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, expect

from include.demo.airflow_server import USER, airflow_components, airflow_environment
from include.demo.environment import aws_connection, start_stand_in
from include.demo.processes import ProcessGroup, free_port, inherited_environment
from tests.long.browser.conftest import IMPORTED, MODELS, OPTIONS, PATIENCE, VERSIONS
from tests.support.browser_page import DESKTOP, open_ready
from tests.support.many_models import import_models, model_name, register_versions

pytestmark = pytest.mark.timeout(1200)

VISITS = 10
KEYS = ("testing", "testing")
PASSWORD = "only-for-this-test"
#: Seconds until a server answers, on a busy machine.
START = 300.0
#: Seconds from the start of the navigation until all that is in sight is shown.
READY_WITHIN = 1.0


class Server(NamedTuple):
    """An API server that has not read anything from AWS when it starts."""

    processes: ProcessGroup
    environment: dict[str, str]
    url: str

    def start(self) -> None:
        """Start it and return once it answers."""
        command = airflow_components(int(self.url.rpartition(":")[2]))["api-server"]
        self.processes.start("api-server", command, self.environment)
        deadline = time.monotonic() + START
        while not self._answers():
            self.processes.check()
            assert time.monotonic() < deadline, self.processes.log_file("api-server").read_text()[-2000:]
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/v2/monitor/health", timeout=10).ok
        except requests.RequestException:
            return False


def _airflow(*command: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("many_models")
    processes = ProcessGroup(folder)
    try:
        endpoint = start_stand_in(processes, free_port(5556)[0], *OPTIONS)
        register_versions(endpoint, MODELS, VERSIONS)
        import_models(endpoint, folder / "checkpoint", IMPORTED, VERSIONS)
        yield endpoint
    finally:
        processes.stop()


@pytest.fixture(scope="module")
def server(aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server whose database knows the DAGs; nothing else of Airflow runs."""
    home: Path = tmp_path_factory.mktemp("api_server")
    port = free_port(8081)[0]
    settings = airflow_environment(home, port, aws_connection(aws_endpoint, *KEYS), {})
    environment = inherited_environment() | settings
    (home / "passwords.json").write_text(json.dumps({USER: PASSWORD}))
    _airflow("db", "migrate", environment=environment)
    _airflow("dags", "reserialize", environment=environment)
    server = Server(ProcessGroup(home), environment, settings["AIRFLOW__API__BASE_URL"])
    try:
        yield server
    finally:
        server.processes.stop()


def _logged_in(browser: Browser, server: Server) -> BrowserContext:
    credentials = {"username": USER, "password": PASSWORD}
    answer = requests.post(f"{server.url}/auth/token", json=credentials, timeout=60)
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{"name": "_token", "value": answer.json()["access_token"], "url": server.url}])
    return context


def _visit(context: BrowserContext, server: Server) -> float:
    """Return after how many seconds the page was ready, as the browser itself counts; the rows in sight are filled."""
    page = context.new_page()
    open_ready(page, f"{server.url}/model-imports/")
    ready = page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000
    expect(page.locator(f"tr[data-name={model_name(0)}]")).to_contain_text("version 100")
    expect(page.locator("tr[data-name]")).to_have_count(MODELS + 1)
    page.close()
    return float(ready)


def _tell(what: str, *seconds: float) -> None:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    times = " ".join(f"{each:.2f}" for each in seconds)
    print(f"\nready, {what}: {times} s ({MODELS} models of {VERSIONS} versions, {load})")  # noqa: T201


def test_the_first_visit_waits_for_aws_and_later_ones_are_ready_within_a_second(
    browser: Browser, server: Server
) -> None:
    server.start()
    context = _logged_in(browser, server)
    _tell("first visit", _visit(context, server))  # as fast as AWS is: no limit
    later = [_visit(context, server) for _ in range(VISITS)]
    _tell("later visits", *later)
    context.close()
    assert statistics.median(later) < READY_WITHIN
