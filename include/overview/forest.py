"""A model's versions side by side on one metric: score, interval, and the scores to compare with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from include.overview.standing import Standing
from include.registry.versions import ModelVersion


class ForestRow(BaseModel):
    """One version; ``comparable`` says whether it was measured on the same data as the champion."""

    model_config = ConfigDict(frozen=True)

    version: int
    status: str
    score: float
    interval: tuple[float, float] | None
    champion: bool
    comparable: bool


class Forest(BaseModel):
    """The versions on one metric, newest first, with the scores of champion and base model where they are known."""

    model_config = ConfigDict(frozen=True)

    metric: str
    rows: tuple[ForestRow, ...]
    champion: float | None
    base: float | None
    threshold: float | None


def plot_forest(
    standing: Standing, versions: tuple[ModelVersion, ...], metric: str, threshold: float | None = None
) -> Forest:
    """Return the forest plot of some of a model's versions; those without the metric are left out."""
    reference = standing.champion or standing.newest
    digest = reference.dataset_digest if reference else ""
    base = base_version(standing, digest)
    return Forest(
        metric=metric,
        rows=tuple(_row(standing, version, metric, digest) for version in versions if metric in version.scores),
        champion=standing.champion.scores.get(metric) if standing.champion else None,
        base=base.scores.get(metric) if base else None,
        threshold=threshold,
    )


def base_version(standing: Standing, dataset_digest: str) -> ModelVersion | None:
    """Return the newest version that is a base model without an adapter, measured on this data; None without one."""
    return next(
        (version for version in standing.versions if version.is_base and version.dataset_digest == dataset_digest),
        None,
    )


def _row(standing: Standing, version: ModelVersion, metric: str, digest: str) -> ForestRow:
    return ForestRow(
        version=version.number,
        status=version.status,
        score=version.scores[metric],
        interval=version.interval(metric),
        champion=standing.is_champion(version),
        comparable=version.dataset_digest == digest,
    )
