"""``make demo-fine-tune`` beside its Airflow: which import belongs to a fine-tune, and what is printed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from include.demo import fine_tune
from include.demo.airflow_server import AirflowApi
from include.demo.fine_tune import FineTuned, ImportNotStartedError, QuantizerMissingError

RECORD = {
    "job_name": "capitals-ft-1",
    "job_arn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/capitals-ft-1",
    "steps": 220,
    "tokens": 105_360,
    "training_seconds": 60.0,
    "billable_seconds": 18.0,
    "instances": 1,
    "instance_type": "ml.g6.xlarge",
    "cost_usd": 0.0056,
    "on_demand_cost_usd": 0.0188,
    "data_report_uri": "s3://bucket/data_report.json",
}


class Airflow:
    """Runs of an import's DAG, newest first, with the adapter of each; None before its first task has ended."""

    url = "http://127.0.0.1:8080"

    def __init__(self, **adapters: str | None) -> None:
        self._adapters = adapters

    def get(self, path: str, **_: Any) -> Any:
        return {"dag_runs": [{"dag_run_id": run_id} for run_id in self._adapters]}

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        adapter = self._adapters[run_id]
        return {"config": {"adapter": adapter}} if adapter else None


def import_of(airflow: Airflow, adapter: str) -> str:
    return fine_tune.import_of(cast("AirflowApi", airflow), "import_capitals", adapter)


def test_the_import_of_a_fine_tune_is_the_newest_run_with_its_adapter() -> None:
    runs = Airflow(starting=None, manual="include/demo/adapters/early", newer="sagemaker:job", older="sagemaker:job")
    assert import_of(runs, "sagemaker:job") == "newer"


def test_an_import_that_does_not_start_is_named_with_the_page_of_its_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune, "IMPORT_TIMEOUT", 0.01)
    monkeypatch.setattr(fine_tune, "POLL_SECONDS", 0)
    with pytest.raises(ImportNotStartedError, match="8080/dags/import_capitals"):
        import_of(Airflow(manual="include/demo/adapters/early"), "sagemaker:job")


@pytest.mark.parametrize(("jobs", "said"), [(0, True), (1, False)])
def test_a_fine_tune_that_trained_nothing_says_so(jobs: int, said: bool) -> None:
    printed = io.StringIO()
    tuned = FineTuned({"record_training": RECORD}, jobs)
    fine_tune.show_training(tuned, Console(file=printed, width=200))
    assert ("Nothing was trained: capitals-ft-1" in printed.getvalue()) is said
    assert "60 s of training, 18 s billed" in printed.getvalue()
    assert "0.01 USD, 70% less than 0.02 USD on demand (list prices)" in printed.getvalue()
    assert tuned.adapter == "sagemaker:training-job/capitals-ft-1"


def test_qlora_needs_bitsandbytes_installed_or_in_the_named_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tune, "find_spec", lambda _: None)
    for packages in ("", str(tmp_path)):
        with pytest.raises(QuantizerMissingError, match="pip install --no-deps --target build/bitsandbytes"):
            fine_tune.check_qlora(packages)
    (tmp_path / "bitsandbytes").mkdir()
    fine_tune.check_qlora(str(tmp_path))
