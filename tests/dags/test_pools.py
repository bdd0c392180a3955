from __future__ import annotations

import pytest

from bedrock_import.pool_listener import on_starting
from bedrock_import.pools import DEFAULT_POOL, IMPORT_REGIONS, POOLS, pool_name
from include.config.model import ModelConfig
from include.service.limits import load_limits
from model_import_dag.factory import WAIT_PRIORITY, build_import_dag

QUEUE = ("create_import_job", "wait_for_import")


def config(region_name: str | None) -> ModelConfig:
    values = {"model_name": "a", "base": "b", "evaluation": {"dataset": "c"}, "account": {"region_name": region_name}}
    return ModelConfig.model_validate(values)


def test_there_is_a_pool_for_every_region_in_which_models_are_imported() -> None:
    assert load_limits().regions.names == IMPORT_REGIONS
    assert {pool_name(region) for region in IMPORT_REGIONS} == set(POOLS) - {DEFAULT_POOL}


@pytest.mark.parametrize(
    ("region_name", "pool"),
    [(None, "bedrock_import"), ("eu-central-1", "bedrock_import_eu-central-1"), ("mars-north-1", "bedrock_import")],
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
    assert (wait.weight_rule, wait.priority_weight) == ("absolute", WAIT_PRIORITY)
    assert len(dag.tasks) < WAIT_PRIORITY


def test_a_task_that_starts_makes_no_pools_for_it_has_no_database() -> None:
    on_starting(component=object())
