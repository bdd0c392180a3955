"""``make demo-fine-tune``: train the demo model's adapter on its training set, and follow the import that it starts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from include.demo.airflow_server import AirflowApi
from include.demo.environment import Environment, aws_client
from include.demo.run_view import follow_run
from include.errors import ModelImportError
from include.service.training_instances import cost_words

FINE_TUNE_DAG_ID = "fine_tune_capitals"
QLORA = {"training_method": "qlora", "training_job_processes": 2}
IMPORT_TIMEOUT = 60.0
POLL_SECONDS = 0.5


class QuantizerMissingError(ModelImportError):
    """QLoRA needs bitsandbytes, which the project's environment leaves out."""

    def __init__(self) -> None:
        super().__init__(
            "QLoRA cannot run here",
            "the package bitsandbytes",
            expected="it can be imported",
            found="it is missing",
            remedy="Leave out QLORA=1, or install it beside the project and name its place:\n"
            ".venv/bin/python -m pip install --no-deps --target build/bitsandbytes "
            "-r include/training/container/requirements-qlora.txt\n"
            "make down\n"
            "QLORA_PACKAGES=build/bitsandbytes make demo-fine-tune QLORA=1",
        )


class ImportNotStartedError(ModelImportError):
    """The fine-tune's event has started no import."""

    def __init__(self, dag_id: str, adapter: str, url: str) -> None:
        super().__init__("The fine-tune has started no import", dag_id, adapter, remedy=f"The DAG's runs: {url}")


class FineTuned(NamedTuple):
    """The XCom values of a fine-tune's tasks, and the number of training jobs that it started."""

    results: Mapping[str, Any]
    jobs_started: int

    @property
    def adapter(self) -> str:
        """The adapter, as a model's file or an import names it."""
        return f"sagemaker:training-job/{self.results['record_training']['job_name']}"


def fine_tune(environment: Environment, qlora: bool, console: Console) -> FineTuned:
    """Trigger the fine-tune and follow it to its end.

    Raises:
        RunFailedError, RunTimeoutError: as ``follow_run``.
    """
    before = _training_jobs(environment)
    airflow = environment.airflow
    airflow.log_in()
    run_id = airflow.trigger(FINE_TUNE_DAG_ID, QLORA if qlora else {})
    how = "QLoRA, 2 processes" if qlora else "LoRA, 1 process"
    url = f"{environment.ui_url}/dags/{FINE_TUNE_DAG_ID}/runs/{run_id}"
    console.print(f"Triggered {FINE_TUNE_DAG_ID} ([b]{how}[/]): {url}")
    results = follow_run(airflow, FINE_TUNE_DAG_ID, run_id, console)
    return FineTuned(results, _training_jobs(environment) - before)


def import_of(airflow: AirflowApi, dag_id: str, adapter: str) -> str:
    """Return the id of the newest import of an adapter, which the fine-tune's event starts, or started earlier.

    Raises:
        ImportNotStartedError: there is none in time.
    """
    deadline = time.monotonic() + IMPORT_TIMEOUT
    while time.monotonic() < deadline:
        runs = airflow.get(f"/dags/{dag_id}/dagRuns", order_by="-run_after", limit=20)["dag_runs"]
        for run in runs:
            plan = airflow.xcom(dag_id, run["dag_run_id"], "preflight")
            if plan and plan["config"]["adapter"] == adapter:
                return str(run["dag_run_id"])
        time.sleep(POLL_SECONDS)
    raise ImportNotStartedError(dag_id, adapter, f"{airflow.url}/dags/{dag_id}")


def show_training(tuned: FineTuned, console: Console) -> None:
    """Print what was trained, or that nothing was."""
    record = tuned.results["record_training"]
    console.print()
    if not tuned.jobs_started:
        console.print(f"Nothing was trained: {record['job_name']} has trained this data with these settings before.")
    facts = {
        "Training job": record["job_arn"],
        "Steps": f"{record['steps']:,}, {record['tokens']:,} tokens",
        "Time": f"{record['training_seconds']:.0f} s of training, {record['billable_seconds']:.0f} s billed",
        "On AWS": f"so many seconds on {record['instances']} {record['instance_type']} cost "
        f"{cost_words(record['cost_usd'], record['on_demand_cost_usd'])} (list prices)",
        "Data report": record["data_report_uri"],
    }
    for name, value in facts.items():
        console.print(f"[b]{name:<15}[/] {value}")


def check_qlora(packages: str) -> None:
    """Raise QuantizerMissingError where bitsandbytes is neither installed nor in the folder ``packages``."""
    if not ((packages and (Path(packages) / "bitsandbytes").is_dir()) or find_spec("bitsandbytes")):
        raise QuantizerMissingError


def _training_jobs(environment: Environment) -> int:
    pages = aws_client(environment.aws_endpoint, "sagemaker").get_paginator("list_training_jobs").paginate()
    return sum(len(page["TrainingJobSummaries"]) for page in pages)
