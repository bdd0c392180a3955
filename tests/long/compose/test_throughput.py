"""Ten models at once on 1, 2 and 4 workers; an import job is the service's one per region, the rest is the workers'."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.long.compose.cluster import report, started

pytestmark = pytest.mark.timeout(3600)
MODELS = 10


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_ten_models_imported_at_once_all_end_as_versions(tmp_path: Path, workers: int) -> None:
    with started(tmp_path, workers, MODELS, worker_concurrency=2) as cluster:
        began = time.monotonic()
        runs = {model: cluster.airflow.trigger(f"import_{model}", {}) for model in cluster.models}
        states = {model: cluster.wait_for_end(f"import_{model}", run_id, 3000) for model, run_id in runs.items()}
        seconds = time.monotonic() - began
        assert states == dict.fromkeys(cluster.models, "success")
        assert {model: len(cluster.versions(model)) for model in cluster.models} == dict.fromkeys(cluster.models, 1)
        assert len(cluster.import_jobs()) == MODELS
    rate = MODELS * 3600 / seconds
    cores = os.cpu_count()
    report(f"{workers} workers of 2 tasks on {cores} cores: {MODELS} models in {seconds:.0f} s, {rate:.0f} an hour")
