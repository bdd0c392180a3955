"""From a data set to an imported model: one trigger."""

from __future__ import annotations

import time

from tests.faults.outcomes import versions_of
from tests.faults.runs import Run
from tests.long.fine_tune.conftest import Start
from tests.long.fine_tune.training_installation import TrainingInstallation, assert_trained_once

IMPORT = "import_handed"


def import_runs(installation: TrainingInstallation) -> list[Run]:
    found = installation.airflow.get(f"/dags/{IMPORT}/dagRuns", limit=100)["dag_runs"]
    return [Run(installation, "handed", run["dag_run_id"], IMPORT) for run in found]


def wait_for_import(installation: TrainingInstallation, known: int, seconds: float = 300) -> Run:
    deadline = time.monotonic() + seconds
    while len(runs := import_runs(installation)) <= known:
        assert time.monotonic() < deadline, "the event started no import"
        time.sleep(1)
    return max(runs, key=lambda run: run.run_id)


def test_a_data_set_becomes_a_registered_model_and_a_second_trigger_trains_and_imports_nothing(
    installation: TrainingInstallation, start: Start
) -> None:
    run = start("fine_tune_handed")
    job = assert_trained_once(run)
    imported = wait_for_import(installation, known=0)
    assert imported.finish(900) == "success", imported.summary()
    adapter = f"sagemaker:training-job/{job['TrainingJobName']}"
    assert imported.result("preflight")["config"]["adapter"] == adapter
    (version,) = versions_of(imported)
    assert version["CustomerMetadataProperties"]["adapter"] == adapter
    again = start("fine_tune_handed")
    assert_trained_once(run, again)
    assert again.tasks()["hand_over"]["state"] == "skipped"
    assert len(import_runs(installation)) == 1
