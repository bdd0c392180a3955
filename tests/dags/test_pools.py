from __future__ import annotations

import pytest

from bedrock_import.pools import DEFAULT_POOL
from include.config.model import ModelConfig
from include.demo.airflow_server import IMPORT_POOL
from include.run.workspace import PROJECT_ROOT
from model_import_dag.factory import WAIT_PRIORITY, build_import_dag

QUEUE = ("create_import_job", "wait_for_import")


def config(region_name: str | None) -> ModelConfig:
    values = {"model_name": "a", "base": "b", "evaluation": {"dataset": "c"}, "account": {"region_name": region_name}}
    return ModelConfig.model_validate(values)


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
    # Any other task weighs one and one more for each task after it.
    assert "absolute" in str(wait.weight_rule).lower()  # text, or the class of this name
    assert wait.priority_weight == WAIT_PRIORITY
    assert len(dag.tasks) < WAIT_PRIORITY
