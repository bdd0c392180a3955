"""One import of a scenario: triggered, followed while its Airflow may be down, and judged when it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from include.aws.s3_uri import S3Uri, is_s3_uri
from include.run.workspace import run_workspace
from tests.faults.installation import DAG_ID, Installation

PATIENCE = 480.0
ENDED = ("success", "failed")


@dataclass(frozen=True)
class Run:
    """A DAG run."""

    installation: Installation
    model_name: str
    run_id: str
    dag_id: str = DAG_ID

    @property
    def path(self) -> str:
        """The run in Airflow's REST API."""
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the task instances by task."""
        found = self.installation.airflow.get(f"{self.path}/taskInstances", limit=100)["task_instances"]
        return {instance["task_id"]: instance for instance in found}

    def wait_for_task(self, task_id: str, *states: str, seconds: float = PATIENCE) -> str:
        """Return the task's state as soon as it is one of these."""
        return self._wait(
            lambda: self.tasks()[task_id]["state"], states, f"{task_id} to be {' or '.join(states)}", seconds
        )

    def finish(self, seconds: float = PATIENCE) -> str:
        """Return how the run ended."""
        return self._wait(lambda: self.installation.airflow.get(self.path)["state"], ENDED, "the run to end", seconds)

    def _wait(self, ask: Callable[[], str], wanted: tuple[str, ...], what: str, seconds: float) -> str:
        deadline, last = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            try:
                last = ask()
                if last in wanted:
                    return last
                if last == "failed" or (wanted is not ENDED and self._is_over()):
                    raise AssertionError(f"waited for {what}: {self.summary()}")
            except requests.RequestException as error:
                last = f"{type(error).__name__}: {error}"
            time.sleep(0.4)
        raise AssertionError(f"waited {seconds:.0f} s for {what}, last {last}: {self.summary()}")

    def _is_over(self) -> bool:
        return self.installation.airflow.get(self.path)["state"] in ENDED

    def summary(self) -> str:
        """Return state and tries of each task, and the error of those that failed."""
        try:
            tasks = self.tasks()
            errors = [f"\n{name}: {self.log(name)[-1500:]}" for name, it in tasks.items() if it["state"] == "failed"]
            return ", ".join(f"{name} {it['state']} ({it['try_number']})" for name, it in tasks.items()) + "".join(
                errors
            )
        except requests.RequestException as error:
            return f"Airflow does not answer: {error}"

    def log(self, task_id: str) -> str:
        """Return the log of all tries of a task."""
        tries = range(1, self.tasks()[task_id]["try_number"] + 1)
        return "\n".join(self._log_of_try(task_id, number) for number in tries)

    def _log_of_try(self, task_id: str, number: int) -> str:
        path = f"{self.path}/taskInstances/{task_id}/logs/{number}"
        content = self.installation.airflow.get(path, full_content="true")["content"]
        return "\n".join(json.dumps(entry, ensure_ascii=False) for entry in content)

    def log_files(self, task_id: str) -> str:
        """Return what workers and triggerer have logged for the task, by now, also while no API server runs."""
        logs = self.installation.folder / "airflow" / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        return "\n".join(path.read_text() for path in sorted((logs / f"task_id={task_id}").glob("attempt=*")))

    def wait_for_line(self, task_id: str, words: str, *, more_than: int = 0, seconds: float = 180) -> None:
        """Return when the task's logs hold these words more often than so many times."""
        deadline = time.monotonic() + seconds
        while self.log_files(task_id).count(words) <= more_than:
            assert time.monotonic() < deadline, f"{words!r} not in: {self.log_files(task_id)[-3000:]}"
            time.sleep(0.5)

    def wait_for_poll(self, words: str = ": InProgress after ") -> None:
        """Return when the import was asked about once more and, for instance, there was an answer."""
        self.wait_for_line("wait_for_import", words, more_than=self.log_files("wait_for_import").count(words))

    def result(self, task_id: str) -> Any:
        """Return what the task left in XCom."""
        return self.installation.airflow.xcom(self.dag_id, self.run_id, task_id)

    def clear(self, task_id: str, *, downstream: bool = True) -> None:
        """Clear a finished task, with those after it or alone, as a person does in the UI."""
        body = {"dry_run": False, "task_ids": [task_id], "dag_run_id": self.run_id, "include_downstream": downstream}
        body |= {"only_failed": False, "reset_dag_runs": True}
        self.installation.airflow.post(f"/dags/{self.dag_id}/clearTaskInstances", body)

    @property
    def workspace(self) -> str:
        """The run's place in the workspace."""
        return run_workspace(self.installation.workspace, self.dag_id, self.run_id)

    def left_in_workspace(self) -> list[str]:
        """Return what is in the run's place in the workspace: objects in S3, or its folder."""
        if not is_s3_uri(self.workspace):
            return [self.workspace] if Path(self.workspace).exists() else []
        bucket, key = S3Uri.parse(f"{self.workspace}/")
        listed = self.installation.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)
        return [item["Key"] for item in listed.get("Contents", ())]
