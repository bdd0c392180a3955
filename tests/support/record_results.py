"""Record results for tests, scored as an evaluation scores them."""

from __future__ import annotations

from typing import Any

from include.evaluation.metrics import Observation, score_record
from include.evaluation.results import RecordResult, Status


def record_result(
    index: int,
    answer: str | None,
    accepted: tuple[str, ...] = ("Lima",),
    category: str | None = None,
    status: Status = "answered",
    **more: Any,
) -> RecordResult:
    return RecordResult(
        record_id=f"r{index}",
        index=index,
        question=f"question {index}",
        accepted_answers=accepted,
        category=category,
        status=status,
        answer=answer or "",
        scores=score_record(Observation(accepted, answer if status == "answered" else None)),
        **more,
    )
