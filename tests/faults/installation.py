"""An Airflow of separate processes, each of which can be killed and started again, beside the stand-in for AWS."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil
import requests

from include.demo.airflow_server import AirflowApi, airflow_components, airflow_environment, start_airflow
from include.demo.environment import aws_client, deploy_stacks, start_stand_in
from include.demo.processes import ProcessGroup, inherited_environment
from include.run.workspace import PROJECT_ROOT
from tests.faults.gate import Gate
from tests.support.forward_proxy import ENDPOINT
from tests.support.local_aws_process import OWN_HEADERS

DAG_ID = "import_model"
#: Airflow's own clocks, shortened: docs/operate.md says what each is for.
AIRFLOW_CLOCKS = {
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "5",
    "WORKERS__MAX_FAILED_HEARTBEATS": "30",
    "WORKERS__EXECUTION_API_RETRIES": "10",
    "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "5",
}
STAND_IN_OPTIONS = ("--import-seconds", "1", "--cold-start-seconds", "0", "--max-imported-models", "500")


#: The Variables that are set from the stack's outputs.
FROM_STACK = ("bucket", "role_arn", "prefix", "training_role_arn")


class Installation:
    """The running system, and what a fault does to it."""

    dags_folder: ClassVar[Path] = PROJECT_ROOT / "tests" / "faults" / "dags"
    ready_dag: ClassVar[str] = DAG_ID
    stand_in_options: ClassVar[tuple[str, ...]] = STAND_IN_OPTIONS
    stack_parameters: ClassVar[dict[str, str]] = {}
    variables: ClassVar[dict[str, str]] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.group = ProcessGroup(folder)
        self._credentials = folder / "credentials"
        self.aws_port, self.ui_port, self.proxy_port = _free_port(), _free_port(), _free_port()
        try:
            self._start()
        except BaseException:  # a test that never began cannot stop it
            self.group.stop()
            raise

    def _start(self) -> None:
        self.endpoint = start_stand_in(self.group, self.aws_port, *self.stand_in_options)
        outputs = deploy_stacks(self.endpoint, **self.stack_parameters)
        self.bucket, self.role_arn = outputs["bucket"], outputs["role_arn"]
        self.gate = Gate(self.aws_port)
        self.env = self._environment(outputs)
        self.airflow = AirflowApi(self.env["AIRFLOW__API__BASE_URL"], start_airflow(self.group, self.env, self.ui_port))
        self.airflow.wait_until_ready(self.ready_dag, self.group)

    def _environment(self, outputs: Mapping[str, str]) -> dict[str, str]:
        self.workspace = outputs.get("workspace", str(self.folder / "workspace"))
        variables = {
            **{name: outputs[name] for name in FROM_STACK if name in outputs},
            **self.variables,
            "workspace": self.workspace,
            "local_folders": tempfile.gettempdir(),
        }
        connection = self._connection(login="testing", password="testing")
        settings = airflow_environment(self.folder / "airflow", self.ui_port, connection, variables)
        clocks = {f"AIRFLOW__{name}": value for name, value in AIRFLOW_CLOCKS.items()}
        own = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "AIRFLOW_CONN_ROTATING": json.dumps(self._connection()),
            "AIRFLOW_CONN_PROXIED": json.dumps(self._proxied_connection()),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._credentials),
            "PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'dags'}",
        }
        return inherited_environment() | settings | clocks | own

    def _connection(self, **login: str) -> dict[str, Any]:
        extra = {"region_name": "us-east-1", "endpoint_url": f"http://127.0.0.1:{self.gate.port}"}
        return {"conn_type": "aws", "extra": extra, **login}

    def _proxied_connection(self) -> dict[str, Any]:
        """A connection to a name that only the proxy knows; a scenario starts the proxy."""
        proxies = {"http": f"http://127.0.0.1:{self.proxy_port}"}
        extra = {"region_name": "us-east-1", "endpoint_url": ENDPOINT, "config_kwargs": {"proxies": proxies}}
        return {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}

    def client(self, service: str) -> Any:
        """Return a client of the stand-in, beside the gate."""
        return aws_client(self.endpoint, service)

    def script(self, fault: str, **body: Any) -> None:
        """Make the stand-in's Bedrock fail in a given way; see include/local_aws/COVERAGE.md."""
        requests.post(
            f"{self.endpoint}/_local_aws/bedrock/{fault}", json=body, headers=OWN_HEADERS, timeout=10
        ).raise_for_status()

    def heal(self) -> None:
        """End every fault: nothing scripted, the gate open, all processes up, no run left over."""
        self.script("clear-faults")
        self.gate.open()
        for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
            if name not in {entry.name for entry in self.group.alive()}:
                self.start(name)
        self.airflow.wait_until_ready(self.ready_dag, self.group)

    def process(self, name: str) -> psutil.Process:
        """Return the process of a component."""
        return psutil.Process(next(entry.pid for entry in self.group.alive() if entry.name == name))

    def kill(self, name: str, *, alone: bool = False) -> None:
        """kill -9 a component with all that it started, or without."""
        process = self.process(name)
        _kill([process] if alone else [process, *process.children(recursive=True)])
        self.group.started = [entry for entry in self.group.started if entry.name != name]
        if name == "scheduler" and not alone:
            self._lose_disk()

    def kill_worker(self, *, alone: bool = False) -> None:
        """kill -9 the executor's workers that run a task, with the task's process or without."""
        busy = [worker for worker in self.workers() if worker.children()]
        assert busy, "no worker runs a task"
        _kill(busy if alone else [victim for worker in busy for victim in (worker, *worker.children(recursive=True))])
        if not alone:
            self._lose_disk()

    def kill_task_process(self) -> None:
        """kill -9 the task's own process, as the kernel does when memory is short."""
        tasks = [task for worker in self.workers() for task in worker.children()]
        assert tasks, "no worker runs a task"
        _kill(tasks)
        self._lose_disk()

    def _lose_disk(self) -> None:
        """Take away the scratch space of killed tasks, as if the next try ran on another worker."""
        shutil.rmtree(self.folder / "airflow" / "model-import-workspace", ignore_errors=True)

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes of the scheduler's LocalExecutor."""
        return [child for child in self.process("scheduler").children() if "worker" in " ".join(child.cmdline())]

    def start(self, name: str) -> None:
        """Start a component again."""
        self.group.start(name, airflow_components(self.ui_port)[name], self.env)

    def kill_processes(self, processes: list[psutil.Process]) -> None:
        """kill -9 processes that an earlier kill orphaned."""
        _kill(processes)

    def write_credentials(self, key_id: str) -> None:
        """Put this access key where connection ``rotating`` finds it, as a credential helper does."""
        lines = ("[default]", f"aws_access_key_id = {key_id}", "aws_secret_access_key = testing", "")
        self._credentials.write_text("\n".join(lines))

    def wait_until_no_import_runs(self, seconds: float = 60) -> None:
        """Return when the stand-in has no running import job."""
        deadline = time.monotonic() + seconds
        while self.client("bedrock").list_model_import_jobs(statusEquals="InProgress")["modelImportJobSummaries"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop everything."""
        self.gate.shut()
        self.group.stop()
        shutil.rmtree(self.folder / "workspace", ignore_errors=True)


class InstallationWithoutSharedDisk(Installation):
    """Its workspace is in S3."""

    stack_parameters: ClassVar[dict[str, str]] = {"WorkspaceInS3": "true"}


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
