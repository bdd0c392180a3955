"""An installation that fine-tunes, and what its training jobs did."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import requests

from tests.faults.installation import STAND_IN_OPTIONS, Installation
from tests.faults.runs import Run
from tests.support.local_aws_process import OWN_HEADERS

#: Seconds for a run on a busy machine.
PATIENCE = 900.0


class TrainingInstallation(Installation):
    """Airflow with the DAGs of fine-tunes, and a role for training jobs."""

    dags_folder: ClassVar[Path] = Path(__file__).parent / "dags"
    ready_dag: ClassVar[str] = "fine_tune_trained"
    stand_in_options: ClassVar[tuple[str, ...]] = (*STAND_IN_OPTIONS, "--training-stop-seconds", "20")
    stack_parameters: ClassVar[dict[str, str]] = {"FineTuning": "true"}
    variables: ClassVar[dict[str, str]] = {"training_image": "the-stand-in-runs-no-image"}

    def script_training(self, fault: str, **body: Any) -> None:
        """Make the stand-in's training jobs fail in a given way; see include/local_aws/COVERAGE.md."""
        url = f"{self.endpoint}/_local_aws/training/{fault}"
        requests.post(url, json=body, headers=OWN_HEADERS, timeout=10).raise_for_status()

    def set_state(self, run: Run, task_id: str, state: str) -> None:
        """Mark a task, as a person does in the UI."""
        url = f"{self.airflow.url}/api/v2{run.path}/taskInstances/{task_id}"
        self.airflow._session.patch(url, json={"new_state": state}, timeout=60).raise_for_status()


def jobs_of(run: Run) -> list[dict[str, Any]]:
    """Return the training jobs of the run's content, by their names."""
    sagemaker, name = run.installation.client("sagemaker"), job_name_of(run)
    summaries = sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    names = sorted(job["TrainingJobName"] for job in summaries if job["TrainingJobName"].startswith(name))
    return [sagemaker.describe_training_job(TrainingJobName=name) for name in names]


def job_name_of(run: Run) -> str:
    """Return the name of the first job of the run's content."""
    plan = run.result("plan_training")
    return f"{run.model_name}-ft-{plan['fingerprint'][:12]}"


def wait_for_job(run: Run, is_so: Callable[[dict[str, Any]], bool], name: str = "", seconds: float = 240) -> None:
    """Return when a job of the run's content is as wanted."""
    sagemaker, name = run.installation.client("sagemaker"), name or job_name_of(run)
    deadline, job = time.monotonic() + seconds, {}
    while time.monotonic() < deadline:
        try:
            job = sagemaker.describe_training_job(TrainingJobName=name)
        except sagemaker.exceptions.ClientError:
            job = {}
        if job and is_so(job):
            return
        time.sleep(0.3)
    raise AssertionError(f"{name} is not as wanted: {job}; {run.summary()}")


def assert_no_job(run: Run, task_id: str, *said: str) -> None:
    """The run failed in this task, whose log says why, before any job was started."""
    assert run.finish() == "failed", run.summary()
    assert run.tasks()[task_id]["state"] == "failed", run.summary()
    log = run.log(task_id)
    assert [words for words in said if words not in log] == [], log[-3000:]
    jobs = run.installation.client("sagemaker").list_training_jobs(NameContains=f"{run.model_name}-ft-")
    assert jobs["TrainingJobSummaries"] == []
    assert not Path(run.workspace).exists()


def assert_trained_once(*runs: Run, ended_before: int = 0) -> dict[str, Any]:
    """One completed job, after so many that had failed or were stopped; the runs green; return the job."""
    for run in runs:
        assert run.finish(PATIENCE) == "success", run.summary()
    jobs = jobs_of(runs[0])
    assert [job["TrainingJobStatus"] for job in jobs if job["TrainingJobStatus"] == "Completed"] == ["Completed"], jobs
    assert len(jobs) - 1 == ended_before, [job["TrainingJobName"] for job in jobs]
    (job,) = (job for job in jobs if job["TrainingJobStatus"] == "Completed")
    for run in runs:
        assert run.result("wait_for_training")["job_name"] == job["TrainingJobName"]
        assert not Path(run.workspace).exists()
    return job
