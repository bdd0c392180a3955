"""An Airflow that runs for an hour and more, and what is measured of it meanwhile."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import requests

from include.demo.environment import DemoEnvironment, Environment, aws_client, start_stand_in
from include.demo.processes import ProcessGroup
from include.run.workspace import PROJECT_ROOT
from tests.support.local_aws_process import OWN_HEADERS

COMPONENTS = ("local-aws", "api-server", "scheduler", "dag-processor", "triggerer")
QUESTIONS = 24


class Sample(NamedTuple):
    """Measurements at one moment. Memory is in MB and of a component with its children, sizes are in MB."""

    seconds: float
    runs: int
    memory: dict[str, float]
    database: float
    logs: float
    workspace_files: int
    objects: int
    open_uploads: int
    imported_models: int
    triggers: int


class Installation:
    """The demo's environment, with questions and adapters of its own; ``settings`` are further ones of Airflow."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        own = {
            "AIRFLOW_VAR_MODEL_IMPORT_LOCAL_FOLDERS": str(folder),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        }
        self.demo = DemoEnvironment(folder / "demo", own | settings)
        self.environment: Environment
        self.questions = folder / "questions.jsonl"

    def start(self, most_imported: int, ready_dag: str = "import_model") -> None:
        """Start it, with room for so many imported models; wait until it takes runs."""
        room = partial(_start_stand_in, start_stand_in, most_imported)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("include.demo.environment.start_stand_in", room)
            self.environment, _ = self.demo.start()
        self.environment.airflow.wait_until_ready(ready_dag, self.demo.group)
        lines = (PROJECT_ROOT / "include/demo/capitals_eval.jsonl").read_text().splitlines()[:QUESTIONS]
        self.questions.write_text("\n".join(lines) + "\n")

    def adapter(self, name: str, number: int) -> str:
        """Return a copy of one of the demo's adapters that is a content of its own."""
        folder = self.folder / "adapters" / f"{name}-{number}"
        shutil.copytree(PROJECT_ROOT / "include/demo/adapters" / name, folder)
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"revision": str(number)}))
        return str(folder)

    def script_fault(self, name: str, **fault: Any) -> None:
        """Make the stand-in fail or wait in a given way; see include/local_aws/COVERAGE.md."""
        url = f"{self.environment.aws_endpoint}/_local_aws/bedrock/{name}"
        requests.post(url, json=fault, headers=OWN_HEADERS, timeout=30).raise_for_status()

    def client(self, service: str) -> Any:
        """Return a client of the stand-in's root user."""
        return aws_client(self.environment.aws_endpoint, service)

    def sample(self, began: float, runs: int) -> Sample:
        """Measure what may grow."""
        home, s3, bucket = self.folder / "demo" / "airflow", self.client("s3"), self.environment.bucket
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        with closing(sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True, timeout=60)) as database:
            [(triggers,)] = database.execute("select count(*) from trigger").fetchall()
        return Sample(
            seconds=time.monotonic() - began,
            runs=runs,
            memory={entry.name: _memory(entry.pid) for entry in self.demo.group.alive()},
            database=sum(path.stat().st_size for path in home.glob("airflow.db*")) / 1e6,
            logs=sum(path.stat().st_size for path in (home / "logs").rglob("*") if path.is_file()) / 1e6,
            workspace_files=sum(path.is_file() for path in self._run_folders()),
            objects=sum(page["KeyCount"] for page in pages),
            open_uploads=len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())),
            imported_models=len(self.client("bedrock").list_imported_models()["modelSummaries"]),
            triggers=triggers,
        )

    def _run_folders(self) -> list[Path]:
        """Return the files and folders of runs in the workspace; the cache is kept between runs."""
        workspace = self.folder / "demo" / "workspace"
        return [path for path in workspace.rglob("*") if "cache" not in path.relative_to(workspace).parts]


def _start_stand_in(start: Callable[..., str], most: int, group: ProcessGroup, port: int, *options: str) -> str:
    return start(group, port, *options, "--max-imported-models", str(most))


def _memory(pid: int) -> float:
    """Return the memory of a process and its children that no other process shares, in MB."""
    root = psutil.Process(pid)
    total = 0
    for process in (root, *root.children(recursive=True)):
        try:
            total += process.memory_full_info().uss
        except psutil.Error:  # a task's process that has ended meanwhile
            continue
    return total / 1e6
