from __future__ import annotations

import pytest

from include.config.names import fine_tune_dag_id, import_dag_id
from include.run.names import model_name_of
from include.steps.waiting import TaskState, belongs_to, waits_for


def task(task_id: str, state: str, pool: str = "default_pool") -> TaskState:
    return TaskState("import_capitals", "run", task_id, state, pool, None, "capitals")


@pytest.mark.parametrize(
    ("task_id", "state", "words"),
    [
        ("wait_for_import", "deferred", "Bedrock to import it"),
        ("warm_up", "deferred", "first answer"),
        ("wait_for_training", "deferred", "SageMaker to train"),
        ("merge_lora", "queued", "a free worker"),
        ("approve", "awaiting_input", "a person"),
        ("merge_lora", "scheduled", "the pool default_pool"),
        ("merge_lora", "up_for_retry", "next try"),
        ("something_new", "deferred", "an event"),
    ],
)
def test_it_is_told_what_a_task_waits_for(task_id: str, state: str, words: str) -> None:
    assert words in waits_for(task(task_id, state))


def test_an_import_that_waits_its_turn_names_the_one_that_runs() -> None:
    assert waits_for(task("create_import_job", "deferred"), ("chess-0123456789ab",)).endswith("now chess-0123456789ab")


def test_a_task_at_work_waits_for_nothing() -> None:
    assert waits_for(task("merge_lora", "running")) == ""


def test_a_run_belongs_to_the_model_of_its_dag_or_of_its_form() -> None:
    assert belongs_to("big-cats", import_dag_id("big-cats"), "")
    assert belongs_to("big-cats", fine_tune_dag_id("big-cats"), "")
    assert belongs_to("big-cats", "import_model", "big-cats")
    assert not belongs_to("big-cats", "import_model", "cats")
    assert not belongs_to("cats", import_dag_id("big-cats"), "cats")


def test_the_model_is_known_by_the_name_of_what_was_imported() -> None:
    name = f"big-cats-{'a' * 12}"
    assert model_name_of(name) == "big-cats"
    assert model_name_of(f"{name}-2") == "big-cats"
    assert model_name_of("somebody-elses-model") == ""
