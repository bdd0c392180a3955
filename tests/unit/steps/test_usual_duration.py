from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.registry.versions import ModelVersion
from include.steps.usual_duration import usual_of


def version(seconds: str, size: str) -> ModelVersion:
    metadata = {"import_seconds": seconds, "checkpoint_bytes": size}
    return ModelVersion(
        arn="arn", number=1, status="Approved", created_at=datetime(2026, 11, 22, tzinfo=UTC), metadata=metadata
    )


@pytest.mark.parametrize(
    ("versions", "usual"),
    [
        ([], None),
        ([version("", "100")], None),
        ([version("600", "201"), version("60", "49")], None),
        ([version("600", "200"), version("500", "50"), version("700", "100"), version("9", "1000")], 600.0),
    ],
    ids=["none yet", "duration unknown", "other sizes", "the median of like sizes"],
)
def test_the_usual_duration_is_that_of_imports_of_about_the_size(
    versions: list[ModelVersion], usual: float | None
) -> None:
    assert usual_of(versions, 100) == usual


def test_a_version_that_tells_neither_is_passed_over() -> None:
    untold = version("", "").model_copy(update={"metadata": {}})
    assert usual_of([untold, version("60", "100")], 100) == 60.0
