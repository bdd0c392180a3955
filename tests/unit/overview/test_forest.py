from __future__ import annotations

from typing import Any

import pytest

from include.overview.forest import plot_forest
from include.registry.versions import ModelVersion
from tests.support.standings import standing, version


def with_metadata(found: ModelVersion, **metadata: str) -> ModelVersion:
    return found.model_copy(update={"metadata": {**found.metadata, **metadata}})


def test_versions_stand_beside_the_champions_and_the_base_models_score() -> None:
    base = with_metadata(version(1, 0.2), base="s3://b/base", adapter="")
    champion = with_metadata(version(2, 0.8, status="Approved"), base="s3://b/base", adapter="s3://b/one")
    newest = with_metadata(version(3, 0.7), base="s3://b/base", adapter="s3://b/two")
    whole = standing(base, champion, newest)
    forest = plot_forest(whole, whole.versions, "f1", 0.75)
    assert (forest.champion, forest.base, forest.threshold) == (0.8, 0.2, 0.75)
    assert [(row.version, row.score, row.champion) for row in forest.rows] == [
        (3, 0.7, False), (2, 0.8, True), (1, 0.2, False),
    ]  # fmt: skip


def test_a_version_that_was_measured_on_other_data_is_marked_and_no_base_model() -> None:
    other = with_metadata(version(1, 0.2, data="other"), base="b", adapter="")
    whole = standing(other, version(2, 0.8, status="Approved"))
    forest = plot_forest(whole, whole.versions, "f1")
    assert [row.comparable for row in forest.rows] == [True, False]
    assert forest.base is None


@pytest.mark.parametrize(
    ("recorded", "interval"),
    [("0.600000 0.710000", (0.6, 0.71)), ("", None), ("0.6", None), ("nan 1e9", None), ("0.1 0.2 0.3", None)],
)
def test_an_interval_is_drawn_where_one_is_recorded(recorded: str, interval: Any) -> None:
    found = with_metadata(version(1, 0.65), **{"interval.f1": recorded})
    [row] = plot_forest(standing(found), (found,), "f1").rows
    assert row.interval == interval
