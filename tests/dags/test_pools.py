from __future__ import annotations

from typing import Any

import pytest

from bedrock_import.pools import DEFAULT_POOL
from include.config.model import ModelConfig
from include.demo.airflow_server import IMPORT_POOL
from include.run.workspace import PROJECT_ROOT
from model_import_dag.factory import URGENT_PRIORITY, WAIT_PRIORITY, build_import_dag

QUEUE = ("create_import_job", "wait_for_import")


def config(region_name: str | None, *, urgent: bool = False) -> ModelConfig:
    account = {"region_name": region_name}
    values = {
        "model_name": "a", "base": "b", "evaluation": {"dataset": "c"}, "account": account, "urgent": urgent,
    }  # fmt: skip
    return ModelConfig.model_validate(values)


def is_absolute(task: Any) -> bool:
    return "absolute" in str(task.weight_rule).lower()  # text, or the class of this name


def test_every_way_to_set_up_airflow_creates_the_default_pool() -> None:
    command = f"airflow pools set --include-deferred {DEFAULT_POOL} 1 "
    for document in ("docker-compose.yaml", "docs/deploy.md"):
        assert command in (PROJECT_ROOT / document).read_text("utf-8")
    assert IMPORT_POOL == DEFAULT_POOL


@pytest.mark.parametrize(
    ("region_name", "pool"),
    [(None, "bedrock_import"), ("eu-central-1", "bedrock_import_eu-central-1")],
)
def test_an_import_queues_with_the_others_of_its_files_region(region_name: str | None, pool: str) -> None:
    dag = build_import_dag("import_a", config(region_name))
    assert {dag.get_task(task_id).pool for task_id in QUEUE} == {pool}
    assert {task.pool for task in dag.tasks if task.task_id not in QUEUE} == {"default_pool"}


def test_imports_of_the_form_queue_in_the_default_pool() -> None:
    dag = build_import_dag("import_model", None)
    assert {dag.get_task(task_id).pool for task_id in QUEUE} == {DEFAULT_POOL}


def test_who_waits_for_a_job_comes_before_who_wants_to_start_one() -> None:
    dag = build_import_dag("import_a", config(None))
    wait = dag.get_task("wait_for_import")
    assert is_absolute(wait)
    assert wait.priority_weight == WAIT_PRIORITY > URGENT_PRIORITY


def test_the_tasks_of_an_urgent_model_come_before_all_of_the_others_but_who_waits_for_a_job() -> None:
    urgent = build_import_dag("import_a", config(None, urgent=True))
    others = [task for task in urgent.tasks if task.task_id != "wait_for_import"]
    assert all(map(is_absolute, others))
    assert {task.priority_weight for task in others} == {URGENT_PRIORITY}
    assert urgent.get_task("wait_for_import").priority_weight == WAIT_PRIORITY
    # Any other task weighs one and one more for each task after it.
    assert len(build_import_dag("import_b", config(None)).tasks) < URGENT_PRIORITY
