"""What the tests do with the running topology: import models, look at tasks, lose workers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests
import yaml

from include.demo.airflow_server import AirflowApi
from include.demo.environment import aws_client
from tests.long.compose.topology import HEALTHY_WITHIN, Topology
from tests.support.local_aws_process import OWN_HEADERS

FINISHED = {"success", "failed"}


class Cluster(NamedTuple):
    """The topology and its REST API."""

    topology: Topology
    models: tuple[str, ...]

    @property
    def airflow(self) -> AirflowApi:
        """Airflow's REST API."""
        return self.topology.airflow

    def run_path(self, dag_id: str, run_id: str) -> str:
        """Return where the REST API has a run."""
        return f"/dags/{dag_id}/dagRuns/{run_id}"

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return a task instance."""
        found: dict[str, Any] = self.airflow.get(f"{self.run_path(dag_id, run_id)}/taskInstances/{task_id}")
        return found

    def wait_for_pid(self, dag_id: str, run_id: str, task_id: str) -> int:
        """Return the process of a task as soon as it runs."""
        deadline = time.monotonic() + 300
        while (task := self.task(dag_id, run_id, task_id))["state"] != "running" or not task["pid"]:
            assert time.monotonic() < deadline, task
            assert task["state"] not in FINISHED, task
            time.sleep(0.1)
        return int(task["pid"])

    def wait_for_end(self, dag_id: str, run_id: str, timeout: float = 900) -> str:
        """Return the state in which a run ended."""
        deadline = time.monotonic() + timeout
        while (state := self.airflow.get(self.run_path(dag_id, run_id))["state"]) not in FINISHED:
            assert time.monotonic() < deadline, self.airflow.get(f"{self.run_path(dag_id, run_id)}/taskInstances")
            time.sleep(1)
        return str(state)

    def script(self, fault: str, **body: Any) -> None:
        """Make the stand-in behave in a given way; see include/local_aws/COVERAGE.md."""
        requests.post(
            f"{self.topology.endpoint}/_local_aws/bedrock/{fault}", json=body, headers=OWN_HEADERS, timeout=10
        ).raise_for_status()

    def import_jobs(self) -> list[str]:
        """Return the names of all import jobs."""
        jobs = aws_client(self.topology.endpoint, "bedrock").list_model_import_jobs(maxResults=100)
        return [job["jobName"] for job in jobs["modelImportJobSummaries"]]

    def versions(self, model: str) -> list[dict[str, Any]]:
        """Return a model's registered versions."""
        sagemaker = aws_client(self.topology.endpoint, "sagemaker")
        if not sagemaker.list_model_package_groups(NameContains=model)["ModelPackageGroupSummaryList"]:
            return []
        found: list[dict[str, Any]] = sagemaker.list_model_packages(ModelPackageGroupName=model)[
            "ModelPackageSummaryList"
        ]
        return found


def report(line: str) -> None:
    """Show a measured number among pytest's lines."""
    sys.stdout.write(f"\n{line}\n")


def _write_models(topology: Topology, count: int) -> tuple[str, ...]:
    folder = topology.folder / "dags" / "models"
    capitals = yaml.safe_load((folder / "capitals.yaml").read_text())
    names = tuple(f"model{number}" for number in range(count))
    for name in names:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**capitals, "schedule": None, "model_name": name}))
    return names


@contextmanager
def started(folder: Path, workers: int, models: int, worker_concurrency: int = 2) -> Iterator[Cluster]:
    """Start the topology, with this many models of the demo's content, unpaused; stop it in the end."""
    topology = Topology(folder, worker_concurrency)
    try:
        names = _write_models(topology, models)
        topology.start(workers)
        topology.airflow.wait_until_ready(f"import_{names[-1]}", topology.group, HEALTHY_WITHIN)
        topology.run("airflow", "dags", "unpause", "--treat-dag-id-as-regex", "--yes", "^import_model.*")
        yield Cluster(topology, names)
    finally:
        topology.stop()
