from __future__ import annotations

from datetime import UTC, datetime, timedelta

from include.steps.stages import BETWEEN, STAGES, TaskTime, stage_times
from tests.support.import_chain import CHAIN

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


#: Only DAGs that have a judge or a Bedrock evaluation job, or publish their champion, have these.
NOT_OF_EVERY_MODEL = (
    "create_bedrock_evaluation", "judge_answers", "wait_for_bedrock_evaluation",
    "read_bedrock_evaluation", "publish_champion", "watch_canary",
)  # fmt: skip


def task(task_id: str, began: float, ended: float) -> TaskTime:
    return TaskTime(task_id, BEGAN + timedelta(seconds=began), BEGAN + timedelta(seconds=ended))


def test_every_task_of_an_import_is_in_one_stage_in_its_order() -> None:
    tasks = [task_id for task_ids in STAGES.values() for task_id in task_ids]
    assert [task_id for task_id in tasks if task_id not in NOT_OF_EVERY_MODEL] == CHAIN


def test_a_runs_time_is_that_of_its_stages_and_of_what_is_between_its_tasks() -> None:
    times = stage_times(
        [task("preflight", 0, 10), task("merge_lora", 15, 35), task("validate_checkpoint", 35, 45),
         task("wait_for_import", 50, 100), TaskTime("warm_up", None, None)]
    )  # fmt: skip
    assert [(each.stage, each.seconds) for each in times] == [
        ("check", 10), ("prepare", 30), ("import", 50), (BETWEEN, 10),
    ]  # fmt: skip
    assert sum(each.share for each in times) == 1


def test_a_run_without_a_task_that_ended_took_no_time() -> None:
    assert stage_times([TaskTime("preflight", BEGAN, None)]) == ()
