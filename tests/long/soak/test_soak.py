"""Runs of all kinds, two at a time, for an hour and a half: each ends as it should, and nothing grows that may not.

``SOAK_MINUTES`` is how long. Writes docs/soak.md and its picture.
"""

from __future__ import annotations

import itertools
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from include.demo.airflow_server import AirflowApi
from include.run.workspace import PROJECT_ROOT
from tests.long.soak.installation import Installation, Sample
from tests.long.soak.report import write_report

MINUTES = float(os.environ.get("SOAK_MINUTES", "90"))
MODELS = 2
#: Of each model the champion, a rejected version and a new one.
MOST_IMPORTED = 3 * MODELS
SAMPLE_SECONDS, RUN_SECONDS = 30, 900
#: The order in which each of two models is imported, again and again.
KINDS = ("better", "unchanged", "weaker", "wrong input", "better", "unchanged", "half precision", "failed import")
#: How a run of a kind ends, and the task that fails, if one does.
ENDS = {"wrong input": ("failed", "preflight"), "failed import": ("failed", "wait_for_import")}


class End(NamedTuple):
    """How a run ended, and in how many seconds."""

    kind: str
    state: str
    failed: str
    status: str
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether that is how a run of this kind ends."""
        status = {"weaker": "Rejected", "unchanged": ""}.get(self.kind, "" if self.kind in ENDS else "Approved")
        return (self.state, self.failed, self.status) == (*ENDS.get(self.kind, ("success", "")), status)


class Soak:
    """Two models that are imported for as long as the soak lasts."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._numbers = itertools.count()
        self._places, self._all_places = threading.Semaphore(MODELS), threading.Lock()
        self.ends: list[End] = []

    def live(self, model_name: str, until: float) -> None:
        """Run one kind after the other until the time has come."""
        champion = ""
        for kind in itertools.cycle(KINDS):
            if time.monotonic() > until:
                return
            conf: dict[str, Any] = {"adapter": champion}
            if kind in ("better", "half precision", "failed import"):
                conf = {"adapter": self._installation.adapter("finished", next(self._numbers))}
            elif kind == "weaker":
                conf = {"adapter": self._installation.adapter("early", next(self._numbers))}
            elif kind == "wrong input":
                conf = {"base": str(self._installation.folder / "nothing-here")}
            if kind == "half precision":
                conf["dtype"] = "float16"
            with self._alone() if kind == "failed import" else self._places:
                if kind == "failed import":
                    self._installation.script_fault("fail-next-import", message="soaked")
                self.ends.append(self._run(kind, model_name, conf))
            if kind == "better":
                champion = conf["adapter"]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other run be active: the fault meets the next import, whose ever it is."""
        with self._all_places:
            for _ in range(MODELS):
                self._places.acquire()
        try:
            yield
        finally:
            self._places.release(MODELS)

    def _run(self, kind: str, model_name: str, conf: dict[str, Any]) -> End:
        airflow, began = self._installation.environment.airflow, time.monotonic()
        airflow.log_in()
        form = {
            "model_name": model_name,
            "base": "include/demo/base",
            "evaluation_dataset": str(self._installation.questions),
            "evaluation_prompt_template": "[INST] {question} [/INST]",
            "evaluation_max_tokens": 16,
            "evaluation_thresholds": {"f1": 0.8},
            "comparison_margin": 1,
            "comparison_category_margin": 1,
            "retention_keep": 1,
            "retention_make_room": True,
            "retention_delete_checkpoint": True,
        }
        run_id = f"soak-{next(self._numbers)}"
        _trigger(airflow, run_id, form | conf)
        path = f"/dags/import_model/dagRuns/{run_id}"
        while (state := airflow.get(path)["state"]) not in ("success", "failed"):
            if time.monotonic() - began > RUN_SECONDS:
                break
            time.sleep(2)
        tasks = airflow.get(f"{path}/taskInstances")["task_instances"]
        failed = " ".join(task["task_id"] for task in tasks if task["state"] == "failed")
        registered = airflow.xcom("import_model", run_id, "register_version") or {}
        return End(kind, state, failed, registered.get("status", ""), time.monotonic() - began)


def _trigger(airflow: AirflowApi, run_id: str, conf: dict[str, Any]) -> None:
    """Start a run. SQLite under load now and then answers with 500, with the run or without it."""
    for attempt in range(5):
        try:
            airflow.post("/dags/import_model/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})
            return
        except requests.HTTPError as error:
            if error.response.status_code == requests.codes.conflict:
                return
            if error.response.status_code != requests.codes.internal_server_error or attempt == 4:
                raise
            time.sleep(1)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    try:
        installation.start(MOST_IMPORTED)
        yield installation
    finally:
        installation.demo.stop()


@pytest.mark.timeout(int(MINUTES * 60) + 3600)
def test_runs_of_all_kinds_end_as_they_should_and_nothing_grows(installation: Installation) -> None:
    soak, began = Soak(installation), time.monotonic()
    samples: list[Sample] = []
    with ThreadPoolExecutor(MODELS) as pool:
        lives = [pool.submit(soak.live, name, began + MINUTES * 60) for name in ("soak-lakes", "soak-rivers")]
        while not all(life.done() for life in lives):
            samples.append(installation.sample(began, len(soak.ends)))
            time.sleep(SAMPLE_SECONDS)
        for life in lives:
            life.result()
    samples.append(installation.sample(began, len(soak.ends)))
    wrong = [end for end in soak.ends if not end.is_right]
    seconds = {kind: [end.seconds for end in soak.ends if end.kind == kind] for kind in dict.fromkeys(KINDS)}
    medians = {kind: statistics.median(found) for kind, found in seconds.items() if found}
    write_report(PROJECT_ROOT / "docs", samples, Counter(end.kind for end in soak.ends), medians, len(wrong))
    assert wrong == []
    last = samples[-1]
    assert (last.workspace_files, last.open_uploads, last.triggers) == (0, 0, 0)
    assert last.imported_models <= MOST_IMPORTED
    assert last.objects <= max(sample.objects for sample in samples[: len(samples) // 2]) * 1.5
