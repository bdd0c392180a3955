"""Schedules of import DAGs, and the artifact that an event-driven run imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.definitions.asset import AssetRef
from airflow.timetables.trigger import CronTriggerTimetable

from airflow_versions import SHARED_STREAMS, newest_first
from include.config.model import ModelConfig
from include.config.names import fine_tunes_asset_name
from include.config.schedule import FineTuneEvents
from include.steps.newest_fine_tune import FineTune, newest_fine_tune
from model_import_dag.account import connection_of, variable

if TYPE_CHECKING:
    from artifact_events.triggers import ArtifactLandedTrigger

QUEUE_VARIABLE = "model_import_event_queue_url"
#: So many of the asset's last events are looked at; a burst is far smaller.
MAX_EVENTS = 1000


def fine_tunes_asset(config: ModelConfig) -> Asset | None:
    """Return the asset of a model's fine-tunes, with the watcher of its queue; None if they start no runs."""
    schedule, name = config.schedule, fine_tunes_asset_name(config.model_name)
    if schedule and schedule.fine_tune:
        return Asset(name)
    events = schedule.events if schedule else None
    if events is None:
        return None
    return Asset(name, watchers=[AssetWatcher(name=name, trigger=_trigger(config, events))])


def schedule_problem(config: ModelConfig) -> str | None:
    """Return the problem of a model's schedule in this Airflow, or None."""
    schedule = config.schedule
    if schedule and schedule.events and not SHARED_STREAMS:
        return "schedule.events: it needs Airflow 3.3 or newer; set schedule.cron or schedule.asset instead"
    if schedule and schedule.events and not _queue_url(schedule.events):
        return f"schedule.events.queue_url: it is not set, and neither is the Airflow Variable {QUEUE_VARIABLE}"
    training = config.training.schedule if config.training else None
    crons = {"schedule": schedule and schedule.cron, "training.schedule": training and training.cron}
    return next(filter(None, (_cron_problem(field, cron) for field, cron in crons.items() if cron)), None)


def _cron_problem(field: str, cron: str) -> str | None:
    try:
        CronTriggerTimetable(cron, timezone="UTC").validate()
    except AirflowTimetableInvalid as error:
        return f"{field}: {error} (found {cron!r})"
    return None


def _queue_url(events: FineTuneEvents) -> str | None:
    return events.queue_url or variable(QUEUE_VARIABLE)


def _trigger(config: ModelConfig, events: FineTuneEvents) -> ArtifactLandedTrigger:
    from artifact_events.triggers import ArtifactLandedTrigger

    aws_conn_id, region_name, _ = connection_of(config)
    return ArtifactLandedTrigger(
        queue_url=str(_queue_url(events)),
        s3_uri=events.s3,
        training_jobs=events.training_jobs,
        settle_seconds=events.settle_seconds,
        aws_conn_id=aws_conn_id,
        region_name=region_name,
    )


def dag_schedule(config: ModelConfig | None, fine_tunes: Asset | None) -> Any:
    """Return the ``schedule`` argument of the DAG."""
    schedule = config.schedule if config else None
    if schedule is None or schedule.cron:
        return schedule.cron if schedule else None
    if fine_tunes:
        return [fine_tunes]
    return [_asset_ref(str(schedule.asset))]


def training_schedule(config: ModelConfig) -> Any:
    """Return the ``schedule`` argument of the DAG that trains the model's adapter."""
    schedule = config.training.schedule if config.training else None
    if schedule is None or schedule.cron:
        return schedule.cron if schedule else None
    return [_asset_ref(str(schedule.asset))]


def _asset_ref(asset: str) -> AssetRef:
    """Return the asset of another DAG, by its name or URI."""
    return Asset.ref(uri=asset) if "://" in asset else Asset.ref(name=asset)


def landed_fine_tune(context: Any, fine_tunes: Asset) -> FineTune | None:
    """Return the newest artifact for an event-driven run; None for a run that something else started.

    Airflow gives a run only the events up to the first that asked for it; in a burst the last would be left to a run
    that nothing starts. So all of the asset's events are read.
    """
    if context["dag_run"].run_type != "asset_triggered":
        return None
    events = newest_first(context["inlet_events"][fine_tunes], MAX_EVENTS)
    return newest_fine_tune(fine_tunes.name, (event.extra.get("payload", event.extra) for event in events))
