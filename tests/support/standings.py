"""Versions of a model for tests of what the page shows of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from include.overview.standing import Standing
from include.registry.versions import ModelVersion


def version(number: int, score: float | None, data: str = "d", status: Any = "Rejected") -> ModelVersion:
    scores = {} if score is None else {"score.f1": f"{score:.6f}"}
    return ModelVersion(
        arn=f"arn:{number}",
        number=number,
        status=status,
        created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number),
        metadata={**scores, "dataset_digest": data},
    )


def standing(*versions: ModelVersion) -> Standing:
    newest = tuple(sorted(versions, key=lambda each: -each.number))
    return Standing(versions=newest, champion=next((each for each in newest if each.status == "Approved"), None))
