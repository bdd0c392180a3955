"""Run Airflow on this machine (API server, scheduler, DAG processor, triggerer) and use its REST API."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from include.demo.processes import LOOPBACK, ProcessGroup
from include.errors import ModelImportError
from include.run.workspace import PROJECT_ROOT

USER = "admin"
READY_TIMEOUT = 300.0
#: The pool in which imports of models without a region of their own queue, as the DAGs name it.
IMPORT_POOL = "bedrock_import"


class AirflowNotReadyError(ModelImportError):
    """Airflow did not start, or does not list a DAG."""

    def __init__(self, what: str, found: str, logs: Path) -> None:
        super().__init__("Airflow is not ready", what, found=found, remedy=f"Read the logs in {logs}.")


class DagImportError(ModelImportError):
    """Airflow could not import the DAG's file."""

    def __init__(self, dag_id: str, stack_trace: str) -> None:
        super().__init__("Airflow could not import a DAG", dag_id, found=stack_trace, remedy="Correct the file.")


def airflow_environment(home: Path, port: int, aws: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of an Airflow that listens on loopback only and uses the connection ``aws``."""
    return {
        **cli_environment(home, port, aws, variables),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }


def cli_environment(home: Path, port: int, aws: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the settings for Airflow's command line, without the keys that sign tokens."""
    url = f"http://{LOOPBACK}:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "CORE__FERNET_KEY": "",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__BASE_URL": url,
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "SCHEDULER__JOB_HEARTBEAT_SEC": "2",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "LOGGING__NAMESPACE_LEVELS": "airflow.providers.amazon.aws.utils.connection_wrapper=WARNING",
    }
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        "PYTHONPATH": str(PROJECT_ROOT),
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        **{f"AIRFLOW_VAR_MODEL_IMPORT_{name.upper()}": value for name, value in variables.items()},
    }


def airflow_components(port: int) -> dict[str, list[str]]:
    """Return the command line of each component."""
    airflow = [sys.executable, "-m", "airflow"]
    return {
        "api-server": [*airflow, "api-server", "--host", LOOPBACK, "--port", str(port)],
        "scheduler": [*airflow, "scheduler", "--skip-serve-logs"],
        "dag-processor": [*airflow, "dag-processor"],
        "triggerer": [*airflow, "triggerer", "--skip-serve-logs"],
    }


def start_airflow(group: ProcessGroup, env: Mapping[str, str], port: int) -> str:
    """Create the metadata database, start the components, and return ``admin``'s password."""
    create_database(env)
    return start_components(group, env, port)


def create_database(env: Mapping[str, str]) -> None:
    """Create the metadata database; nothing has to run for it.

    Raises:
        AirflowNotReadyError: ``airflow db migrate`` failed.
    """
    home = Path(env["AIRFLOW_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise AirflowNotReadyError("airflow db migrate", done.stderr[-2000:], home)


def start_components(group: ProcessGroup, env: Mapping[str, str], port: int) -> str:
    """Start the components on an existing database, and return ``admin``'s password."""
    password = secrets.token_urlsafe(12)
    passwords = Path(env["AIRFLOW_HOME"]) / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({USER: password}))
    for name, component in airflow_components(port).items():
        group.start(name, component, env)
    return password


class AirflowApi:
    """A client of Airflow's REST API v2, as user ``admin``."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._password = password
        self._session = requests.Session()
        # SQLite under load now and then answers a read with 500; a run must not seem to fail for that.
        patient = Retry(
            total=5, connect=0, backoff_factor=0.3, status_forcelist=(500, 502, 503, 504), allowed_methods=("GET",)
        )
        self._session.mount("http://", HTTPAdapter(max_retries=patient))

    def log_in(self) -> None:
        """Get a token for further calls."""
        credentials = {"username": USER, "password": self._password}
        answer = self._session.post(f"{self.url}/auth/token", json=credentials, timeout=30)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer of a GET request."""
        answer = self._session.get(f"{self.url}/api/v2{path}", params=query, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON answer of a POST request."""
        answer = self._session.post(f"{self.url}/api/v2{path}", json=dict(body), timeout=60)
        answer.raise_for_status()
        return answer.json()

    def wait_until_ready(self, dag_id: str, group: ProcessGroup, timeout: float = READY_TIMEOUT) -> None:
        """Wait until every component is healthy and the DAG is listed, and create the pool of the imports.

        Raises:
            AirflowNotReadyError: the deadline passed.
            DagImportError: the DAG's file does not import.
            ProcessDiedError: a component ended.
        """
        deadline = time.monotonic() + timeout
        state = "no answer yet"
        while time.monotonic() < deadline:
            group.check()
            try:
                state = self._readiness(dag_id)
            except requests.RequestException as error:
                state = str(error)
            if not state:
                return self._create_pool()
            time.sleep(0.2)
        raise AirflowNotReadyError(dag_id, state, group.log_file("api-server").parent)

    def _readiness(self, dag_id: str) -> str:
        if "Authorization" not in self._session.headers:
            self.log_in()
        health = self.get("/monitor/health")
        sick = [name for name in ("scheduler", "triggerer", "dag_processor") if health[name]["status"] != "healthy"]
        if sick:
            return f"not healthy: {', '.join(sick)}"
        known = [dag["dag_id"] for dag in self.get("/dags", limit=100)["dags"]]
        if dag_id in known:
            return ""
        if errors := [error["stack_trace"] for error in self.get("/importErrors")["import_errors"]]:
            raise DagImportError(dag_id, errors[0])
        return f"DAG {dag_id} is not there"

    def _create_pool(self) -> None:
        known = [pool["name"] for pool in self.get("/pools", limit=100)["pools"]]
        if IMPORT_POOL not in known:
            self.post(
                "/pools", {"name": IMPORT_POOL, "slots": 1, "description": "Import jobs", "include_deferred": True}
            )

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run of the DAG and return its id."""
        run = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        return str(run["dag_run_id"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return the task's XCom value for ``key``, or None."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self.get(path, stringify="false")["value"]
        except requests.HTTPError as error:
            if error.response.status_code == requests.codes.not_found:
                return None
            raise

    def last_error(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str:
        """Return the exception that failed the task, from its log."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        entries = self.get(path, full_content="true")["content"]
        for entry in reversed(entries):
            for detail in entry.get("error_detail") or ():
                return f"{detail['exc_type']}: {detail['exc_value']}"
        return "the task's log holds no exception"
