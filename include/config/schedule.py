"""The part of a model's configuration that says when its runs start by themselves."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from include.config.part import Part, Text


class FineTuneEvents(Part):
    """Which landings start a run; they reach Airflow through an SQS queue."""

    s3: str | None = Field(
        default=None,
        description="Where fine-tunes land; each folder and each archive under it is one.",
        pattern=r"^s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](/.*)?$",
    )
    training_jobs: Text | None = Field(
        default=None, description="Names of SageMaker training jobs whose completion counts, with `*` and `?`."
    )
    replaces: Literal["adapter", "base"] = Field(default="adapter", description="What the landed artifact is.")
    queue_url: str | None = Field(
        default=None,
        description="SQS queue; empty: Airflow Variable `model_import_event_queue_url`.",
        pattern="^https?://",
    )
    settle_seconds: int = Field(
        default=30, ge=1, le=600, description="How long nothing must have been written before a folder is looked at."
    )

    @model_validator(mode="after")
    def _something_is_watched(self) -> Self:
        if not (self.s3 or self.training_jobs):
            raise ValueError("s3 or training_jobs must say what to watch")
        return self


def _cron_by_itself(value: object) -> object:
    return {"cron": value} if isinstance(value, str) else value


class TrainingSchedule(Part):
    """When trainings start by themselves: one of these."""

    cron: Text | None = None
    asset: Text | None = Field(
        default=None, description="Name or URI of an asset that another DAG updates: new training data."
    )

    _by_itself = model_validator(mode="before")(_cron_by_itself)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if [self.cron, self.asset].count(None) != 1:
            raise ValueError("a cron expression, or asset")
        return self


class Schedule(Part):
    """When runs start by themselves: exactly one of these."""

    cron: Text | None = None
    asset: Text | None = Field(default=None, description="Name or URI of an asset that another DAG updates.")
    events: FineTuneEvents | None = None
    fine_tune: Literal[True] | None = Field(
        default=None, description="Each adapter that the model's DAG `fine_tune_<name>` trains; needs no queue."
    )

    _by_itself = model_validator(mode="before")(_cron_by_itself)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        # Counted by value: JSON of a schedule, as in a run's plan, names all.
        if [self.cron, self.asset, self.events, self.fine_tune].count(None) != 3:
            raise ValueError("a cron expression, or one of asset, events and fine_tune")
        return self
