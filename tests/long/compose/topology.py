"""The compose file's services as plain processes, with PostgreSQL and Redis of the distribution's packages."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import psutil
from dotenv import dotenv_values

from include.demo.airflow_server import AirflowApi
from include.demo.environment import deploy_stacks
from include.demo.processes import LOOPBACK, ProcessGroup, inherited_environment
from include.run.workspace import PROJECT_ROOT
from tests.long.compose.compose_file import Machine, Service, read_service

#: Listening ports, by service; two workers in containers each have their own 8793, here they need two.
PORTS = {
    "postgres": 5432, "redis": 6379, "airflow-api-server": 8080, "airflow-scheduler": 8974, "local-aws": 5555,
}  # fmt: skip
OWN_PORTS = {
    "airflow-api-server": "AIRFLOW__API__PORT",
    "airflow-scheduler": "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
}
COMPONENTS = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
#: So many imported models may exist at the stand-in; its own default is the service's quota of a new account.
STAND_IN_OPTIONS = ("--max-imported-models", "100", "--import-seconds", "2", "--cold-start-seconds", "0")
HEALTHY_WITHIN = 600.0


class PackageMissingError(Exception):
    """PostgreSQL or Redis is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} was not found; on Debian and Ubuntu: apt install {package}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _postgres_program(name: str) -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if not versions:
        raise PackageMissingError(name, "postgresql")
    return str(versions[-1])


class Topology:
    """The services, started in the order of their dependencies and stopped as a whole."""

    def __init__(self, folder: Path, worker_concurrency: int) -> None:
        self.folder = folder
        self.group = ProcessGroup(folder / "processes")
        self.settings = {name: value or "" for name, value in dotenv_values(PROJECT_ROOT / ".env.example").items()}
        for name in self.settings:
            if name.endswith(("PASSWORD", "SECRET_KEY", "SECRET")):
                self.settings[name] = secrets.token_hex(16)
        self.settings["AIRFLOW_FERNET_KEY"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.settings["WORKER_CONCURRENCY"] = str(worker_concurrency)
        ports = {(name, port): _free_port() for name, port in PORTS.items()}
        ports["local-aws", 5556] = ports["local-aws", 5555]  # the gate leads there and has no other work
        folders = {
            "/opt/airflow/logs": folder / "logs",
            "/opt/airflow/workspace": folder / "workspace",
            "/opt/airflow/dags": self._copy_of_dags(),
            "/opt/airflow": PROJECT_ROOT,
        }
        self.machine = Machine(ports, folders)
        self.database_folder = Path(tempfile.mkdtemp(prefix="compose-postgres-"))
        self.endpoint = f"http://{LOOPBACK}:{ports['local-aws', 5555]}"
        self.airflow = AirflowApi(
            f"http://{LOOPBACK}:{ports['airflow-api-server', 8080]}", self.settings["AIRFLOW_ADMIN_PASSWORD"]
        )

    def _copy_of_dags(self) -> Path:
        target = self.folder / "dags"
        shutil.copytree(PROJECT_ROOT / "dags", target, ignore=shutil.ignore_patterns("__pycache__"))
        return target

    def service(self, name: str) -> Service:
        """Return a service of the compose file as a process of this machine."""
        return read_service(name, self.settings, self.machine)

    def start(self, workers: int) -> None:
        """Start everything and return when each service's own health check passes."""
        for name in ("logs", "workspace", "airflow"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._start_local_aws()
        self._start_postgres()
        redis = self.service("redis")
        if not shutil.which("redis-server"):
            raise PackageMissingError("redis-server", "redis-server")
        *shell, line = redis.command
        port = self.machine.ports["redis", 6379]
        self._start("redis", [*shell, f"{line} --port {port} --bind {LOOPBACK} --save ''"], redis.environment)
        self._run_to_the_end("airflow-init")
        for name in COMPONENTS:
            self._start(name, self.service(name).command, self.environment(name))
        for name in ("redis", *COMPONENTS):
            self.wait_until_healthy(name, self.environment(name))
        for _ in range(workers):
            self.start_worker()

    def environment(self, name: str) -> dict[str, str]:
        """Return a service's whole environment: the compose file's, the image's, and what a container has alone."""
        own = {
            "HOSTNAME": socket.gethostname(),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "PYTHONPATH": str(PROJECT_ROOT),
        }
        own["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(self.folder / "logs")
        own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        if name in OWN_PORTS:
            own[OWN_PORTS[name]] = str(self.machine.ports[name, PORTS[name]])
        own["AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"] = "0"
        own["AIRFLOW__API__HOST"] = LOOPBACK  # in a container it listens to the others; here nobody else may come in
        return {**inherited_environment(), **own, **self.service(name).environment}

    def start_worker(self) -> str:
        """Start one more worker, as ``--scale`` does, and return its name once it is healthy."""
        name = f"worker{sum(entry.name.startswith('worker') for entry in self.group.started) + 1}x{_free_port()}"
        environment = self.environment("airflow-worker")
        environment |= {"HOSTNAME": name, "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port())}
        command = [*self.service("airflow-worker").command, "--celery-hostname", f"celery@{name}"]
        self._start(name, command, environment)
        self.wait_until_healthy("airflow-worker", environment)
        return name

    def kill_worker_of(self, pid: int) -> str:
        """Kill -9 the worker that runs this process and all that it started; return its name."""
        above = {process.pid for process in psutil.Process(pid).parents()}
        entry = next(entry for entry in self.group.started if entry.name.startswith("worker") and entry.pid in above)
        root = psutil.Process(entry.pid)
        for process in [root, *root.children(recursive=True)]:
            process.kill()
        self.group.started.remove(entry)
        return entry.name

    def run(self, *command: str) -> None:
        """Run a command of Airflow's as in one of its containers."""
        environment = self.environment("airflow-scheduler")
        subprocess.run(command, env=environment, check=True, capture_output=True)

    def stop_workers(self) -> None:
        """Stop all workers."""
        for entry in [entry for entry in self.group.started if entry.name.startswith("worker")]:
            os.killpg(entry.pid, signal.SIGKILL)
            self.group.started.remove(entry)

    def wait_until_healthy(self, name: str, environment: dict[str, str]) -> None:
        """Return when the service's health check, as the compose file has it, passes."""
        check = self.service(name).health_check
        assert check
        if name == "redis":
            check = [word.replace("redis-cli", f"redis-cli -p {self.machine.ports['redis', 6379]}") for word in check]
        deadline = time.monotonic() + HEALTHY_WITHIN
        while (done := subprocess.run(check, env=environment, capture_output=True, text=True, check=False)).returncode:
            self.group.check()
            assert time.monotonic() < deadline, f"{name}: {check}: {done.stdout}{done.stderr}"
            time.sleep(1)

    def stop(self) -> None:
        """Stop everything."""
        self.group.stop()
        shutil.rmtree(self.database_folder, ignore_errors=True)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.group.start(name, command, {**inherited_environment(), **environment})

    def _run_to_the_end(self, name: str) -> None:
        done = subprocess.run(
            self.service(name).command, env=self.environment(name), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def _start_local_aws(self) -> None:
        service = self.service("local-aws")
        environment = {**inherited_environment(), **service.environment, "PYTHONPATH": str(PROJECT_ROOT)}
        environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._start("local-aws", [*service.command, *STAND_IN_OPTIONS], environment)
        self.wait_until_healthy("local-aws", environment)
        variables = deploy_stacks(self.endpoint)
        self.settings |= {
            "MODEL_IMPORT_BUCKET": variables["bucket"],
            "MODEL_IMPORT_PREFIX": variables["prefix"],
            "MODEL_IMPORT_ROLE_ARN": variables["role_arn"],
            "AIRFLOW_CONN_AWS_DEFAULT": _stand_in_connection(),
        }

    def _start_postgres(self) -> None:
        """Do what the image of PostgreSQL does: make the database cluster, its user and its database, and serve it."""
        service = self.service("postgres")
        data, password = self.database_folder / "data", self.database_folder / "password"
        password.write_text(service.environment["POSTGRES_PASSWORD"])
        user = service.environment["POSTGRES_USER"]
        initdb = [_postgres_program("initdb"), "--pgdata", str(data), "--username", user, "--pwfile", str(password)]
        subprocess.run([*self._as_owner(), *initdb, "--auth", "scram-sha-256"], check=True, capture_output=True)
        port = self.machine.ports["postgres", 5432]
        options = ["-D", str(data), "-p", str(port), "-c", f"listen_addresses={LOOPBACK}", "-k", str(data)]
        self._start("postgres", [*self._as_owner(), _postgres_program("postgres"), *options], service.environment)
        assert service.health_check
        check = [*service.health_check, "--host", LOOPBACK, "--port", str(port)]
        while subprocess.run(check, capture_output=True, check=False).returncode:
            self.group.check()
            time.sleep(0.2)
        database = service.environment["POSTGRES_DB"]
        create = ["psql", "--host", LOOPBACK, "--port", str(port), "--username", user, "postgres", "--command"]
        environment = {**os.environ, "PGPASSWORD": service.environment["POSTGRES_PASSWORD"]}
        subprocess.run([*create, f"CREATE DATABASE {database}"], env=environment, check=True, capture_output=True)

    def _as_owner(self) -> list[str]:
        """PostgreSQL refuses to run as root; the package has made a user for it."""
        if os.getuid():
            return []
        shutil.chown(self.database_folder, "postgres")
        for path in self.database_folder.iterdir():
            shutil.chown(path, "postgres")
        return ["runuser", "-u", "postgres", "--"]


def _stand_in_connection() -> str:
    """Return the stand-in's connection, which .env.example shows as a comment."""
    lines = (PROJECT_ROOT / ".env.example").read_text("utf-8").splitlines()
    line = next(line for line in lines if "local-aws:5556" in line)
    return line.partition("=")[2].strip("'")
