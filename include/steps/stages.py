"""The stages of a run, and how long each took."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

#: The tasks of each stage, in their order.
STAGES = {
    "check": ("preflight", "decide_import"),
    "prepare": ("convert_to_hf", "merge_lora", "validate_checkpoint"),
    "upload": ("upload_checkpoint",),
    "import": ("free_model_slot", "create_import_job", "wait_for_import"),
    "warm up": ("warm_up",),
    "evaluate": (
        "evaluate_model", "create_bedrock_evaluation", "evaluate_champion", "judge_answers",
        "wait_for_bedrock_evaluation", "read_bedrock_evaluation",
    ),
    "promote": (
        "decide_promotion", "register_version", "write_report",
        "approve_promotion", "record_answer", "publish_champion", "watch_canary",
        "announce_promotion",
    ),
    "maintain": ("retire_old_versions", "put_metrics", "clear_workspace"),
}  # fmt: skip
BETWEEN = "between tasks"


class TaskTime(NamedTuple):
    """When a task of a run began and ended; None where it did not."""

    task_id: str
    began: datetime | None
    ended: datetime | None


class StageTime(NamedTuple):
    """A stage, the seconds that it took, and its share of the run from 0 to 1."""

    stage: str
    seconds: float
    share: float


def stage_times(tasks: Iterable[TaskTime]) -> tuple[StageTime, ...]:
    """Return how long each stage of a run took, and what was spent between its tasks; nothing for a run without any."""
    ran = [task for task in tasks if task.began and task.ended]
    if not ran:
        return ()
    moments = [moment for task in ran for moment in task[1:] if moment]
    total = (max(moments) - min(moments)).total_seconds()
    stage_of = {task_id: stage for stage, task_ids in STAGES.items() for task_id in task_ids}
    seconds = dict.fromkeys([*STAGES, BETWEEN], 0.0)
    for task in ran:
        seconds[stage_of.get(task.task_id, BETWEEN)] += (task.ended - task.began).total_seconds()  # type: ignore[operator]
    seconds[BETWEEN] = max(0.0, total - sum(value for stage, value in seconds.items() if stage != BETWEEN))
    whole = sum(seconds.values()) or 1.0
    return tuple(StageTime(stage, value, value / whole) for stage, value in seconds.items() if value)
