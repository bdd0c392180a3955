from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airflow.sdk import Asset

from model_import_dag.schedules import landed_fine_tune

ASSET = Asset("fine-tunes-of-capitals")


class Events(list[Any]):
    """What a task reads of an asset's events; they come in the order in which they were sent."""

    def ascending(self, ascending: bool) -> Events:
        return self if ascending else Events(reversed(self))

    def limit(self, limit: int) -> Events:
        return Events(self[:limit])


class InletEvents(SimpleNamespace):
    """The events of a task's assets; Airflow looks them up by the asset's name."""

    def __getitem__(self, asset: Asset) -> Events:
        return vars(self)[asset.name]


def context(run_type: str, *events: dict[str, Any]) -> dict[str, Any]:
    sent = Events(SimpleNamespace(extra=extra) for extra in events)
    return {"dag_run": SimpleNamespace(run_type=run_type), "inlet_events": InletEvents(**{ASSET.name: sent})}


def landed(artifact: str, day: int) -> dict[str, Any]:
    payload = {"artifact": artifact, "landed_at": f"2026-11-{day:02}T10:00:00+00:00"}
    return {"from_trigger": True, "payload": payload}


def test_an_event_driven_run_takes_what_landed_last_also_what_came_after_the_event_that_started_it() -> None:
    found = landed_fine_tune(
        context("asset_triggered", landed("first", 1), landed("last", 9), landed("late", 3)), ASSET
    )
    assert found
    assert found.artifact == "last"


def test_a_run_by_hand_imports_what_the_file_or_the_form_says() -> None:
    assert landed_fine_tune(context("manual", landed("first", 1)), ASSET) is None


def test_an_event_made_in_airflows_ui_may_name_an_artifact_too() -> None:
    by_hand = {"artifact": "s3://bucket/x", "landed_at": "2026-11-22T10:00:00Z"}
    found = landed_fine_tune(context("asset_triggered", by_hand), ASSET)
    assert found
    assert found.artifact == "s3://bucket/x"
