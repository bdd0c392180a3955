"""Twenty imports queue behind one import job, and the urgent ones come first."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.config.names import import_dag_id
from include.run.workspace import PROJECT_ROOT
from tests.long.soak.installation import Installation

MODELS = 20
#: By the order in which they are triggered: they come last, and are imported first.
URGENT = range(MODELS - 4, MODELS)
WITHIN_SECONDS = 1800


def _name(number: int) -> str:
    return f"queue-{number:02}"


def _write_dags(folder: Path, questions: Path) -> None:
    """The project's DAG folder with twenty models."""
    shutil.copytree(PROJECT_ROOT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__", "*.yaml"))
    for number in range(MODELS):
        model = {
            "model_name": _name(number),
            "base": "include/demo/base",
            "evaluation": {"dataset": str(questions), "sample": 4, "max_tokens": 4, "thresholds": {"f1": 0}},
            "urgent": number in URGENT,
        }
        (folder / "models" / f"{_name(number)}.yaml").write_text(yaml.safe_dump(model))


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path, AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path / "dags"))
    _write_dags(tmp_path / "dags", installation.questions)
    try:
        installation.start(MODELS + 1, import_dag_id(_name(0)))
        yield installation
    finally:
        installation.demo.stop()


def _state(airflow: Any, dag_id: str, run_id: str, task_id: str = "") -> str:
    path = f"/dags/{dag_id}/dagRuns/{run_id}" + (f"/taskInstances/{task_id}" if task_id else "")
    return str(airflow.get(path)["state"])


def _wait(airflow: Any, runs: dict[int, str], states: tuple[str, ...], task_id: str = "") -> None:
    """Wait until the runs, or a task of each, are in one of the states."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while found := {
        number: state
        for number, run_id in runs.items()
        if (state := _state(airflow, import_dag_id(_name(number)), run_id, task_id)) not in states
    }:
        assert time.monotonic() < deadline, found
        assert "failed" not in found.values(), found
        time.sleep(2)


@pytest.mark.timeout(3 * WITHIN_SECONDS)
def test_of_twenty_imports_that_queue_for_the_one_job_the_urgent_ones_come_first(installation: Installation) -> None:
    airflow = installation.environment.airflow
    airflow.log_in()
    installation.script_fault("hold-imports")
    runs = {0: airflow.trigger(import_dag_id(_name(0)), {})}
    _wait(airflow, runs, ("deferred",), "wait_for_import")
    runs |= {number: airflow.trigger(import_dag_id(_name(number)), {}) for number in range(1, MODELS)}
    queued = {number: run_id for number, run_id in runs.items() if number}
    _wait(airflow, queued, ("scheduled",), "create_import_job")
    installation.script_fault("release-imports")
    airflow.log_in()
    _wait(airflow, runs, ("success",))
    jobs = installation.client("bedrock").list_model_import_jobs(maxResults=100)["modelImportJobSummaries"]
    begun = [job["importedModelName"].rpartition("-")[0] for job in sorted(jobs, key=lambda job: job["creationTime"])]
    assert len(begun) == MODELS
    assert begun[0] == _name(0)
    assert set(begun[1 : 1 + len(URGENT)]) == {_name(number) for number in URGENT}
