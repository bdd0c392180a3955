"""Two workers of the compose file; one is killed in the middle of a task, and the run ends right on the other."""

from __future__ import annotations

import time

import pytest

from tests.long.compose.cluster import Cluster, report

pytestmark = pytest.mark.timeout(1800)
#: Seconds from the moment Airflow calls the task running; it then still loads its code for a second or more.
INTO_THE_TASK = {"merge_lora": 1.5, "upload_checkpoint": 1.2, "evaluate_model": 4.0}


@pytest.mark.parametrize(
    ("lost_in", "adapter"),
    [("merge_lora", "finished"), ("upload_checkpoint", "early"), ("evaluate_model", "base")],
)
def test_a_run_ends_right_on_the_other_worker_when_one_is_killed_in_the_middle(
    cluster: Cluster, lost_in: str, adapter: str
) -> None:
    [model] = cluster.models
    dag_id, versions = f"import_{model}", len(cluster.versions(model))
    if lost_in == "evaluate_model":
        cluster.script("fixed-answer", text="Lisbon", latency_seconds=0.5)
    conf = {"adapter": f"include/demo/adapters/{adapter}" if adapter != "base" else None}
    run_id = cluster.airflow.trigger(dag_id, conf)
    pid = cluster.wait_for_pid(dag_id, run_id, lost_in)
    time.sleep(INTO_THE_TASK[lost_in])
    lost = cluster.topology.kill_worker_of(pid)
    killed_at = time.monotonic()
    cluster.topology.start_worker()
    assert cluster.wait_for_end(dag_id, run_id) == "success"
    cluster.script("clear-faults")
    task = cluster.task(dag_id, run_id, lost_in)
    report(f"{lost} killed in {lost_in}; the run ended {time.monotonic() - killed_at:.0f} s later")
    assert task["try_number"] == 2
    assert len(cluster.import_jobs()) == len(set(cluster.import_jobs()))
    assert len(cluster.versions(model)) == versions + 1
