"""The state of one model: its versions, its champion, and the plot of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from include.config.model import ModelConfig
from include.config.suites import DEFAULT_METRIC
from include.evaluation.metrics import scores_named
from include.registry.search import champion_among, newest_versions
from include.registry.versions import ModelVersion


class Standing(BaseModel):
    """A model's newest versions, newest first, and its champion, which may be older than these."""

    model_config = ConfigDict(frozen=True)

    versions: tuple[ModelVersion, ...]
    champion: ModelVersion | None

    @property
    def newest(self) -> ModelVersion | None:
        """The newest version, if there is one."""
        return next(iter(self.versions), None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return every metric that some version has."""
        return tuple(sorted({metric for version in self.versions for metric in version.scores}))

    def is_champion(self, version: ModelVersion) -> bool:
        """Return whether this version is the champion."""
        return self.champion is not None and version.arn == self.champion.arn


def read_standing(sagemaker: Any, group: str, most: int) -> Standing:
    """Return a model's state from its ``most`` newest versions; one call per hundred versions, rarely one more."""
    found = newest_versions(sagemaker, group, most)
    versions = tuple(version for version in found if version.imported_model_arn)  # the others are other software's
    return Standing(versions=versions, champion=champion_among(sagemaker, group, found))


def deciding_metric(config: ModelConfig | None, known: Sequence[str] = ()) -> str:
    """Return the metric that decides about promotion: the first that is compared with the champion's.

    ``known`` are the scores of versions: of a metric with several it is the first of them.
    """
    label = config.suites[0].compared_metrics[0] if config else DEFAULT_METRIC
    return next(iter(scores_named([label], known)), label)


def threshold(config: ModelConfig | None, metric: str) -> float | None:
    """Return the threshold of the metric, if the model's file has one."""
    thresholds: dict[str, float] = dict(config.evaluation.thresholds.items()) if config else {}
    return thresholds.get(metric)


class PlotPoint(BaseModel):
    """One version in a plot; x and y are pixels from the upper left corner."""

    model_config = ConfigDict(frozen=True)

    x: float
    y: float
    version: int
    score: float
    status: str
    champion: bool


class Plot(BaseModel):
    """Scores of versions, oldest left, between 0 at the bottom and 1 at the top.

    ``lines`` are SVG polylines through versions measured on the same data; other scores are not comparable.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    margin: int
    points: tuple[PlotPoint, ...]
    lines: tuple[str, ...]
    threshold_y: float | None

    def y(self, score: float) -> float:
        """Return the y coordinate of a score."""
        return _height(score, self.height, self.margin)


def _height(score: float, height: int, margin: int) -> float:
    return round(height - margin - score * (height - 2 * margin), 1)


def plot_scores(standing: Standing, metric: str, size: tuple[int, int, int], least: float | None = None) -> Plot:
    """Return the plot of one metric over the versions.

    Args:
        standing: the versions and the champion.
        metric: versions without it are left out.
        size: width, height and margin in pixels.
        least: the threshold to show.
    """
    width, height, margin = size
    measured = [version for version in reversed(standing.versions) if metric in version.scores]
    step = (width - 2 * margin) / max(len(measured) - 1, 1)
    points = tuple(
        PlotPoint(
            x=round(margin + place * step, 1),
            y=_height(version.scores[metric], height, margin),
            version=version.number,
            score=version.scores[metric],
            status=version.status,
            champion=standing.is_champion(version),
        )
        for place, version in enumerate(measured)
    )
    threshold_y = None if least is None else _height(least, height, margin)
    lines = _lines(measured, points)
    return Plot(width=width, height=height, margin=margin, points=points, lines=lines, threshold_y=threshold_y)


def _lines(versions: Sequence[ModelVersion], points: Sequence[PlotPoint]) -> tuple[str, ...]:
    stretches: list[list[str]] = []
    before: str | None = None
    for version, point in zip(versions, points, strict=True):
        if version.dataset_digest != before:
            stretches.append([])
            before = version.dataset_digest
        stretches[-1].append(f"{point.x},{point.y}")
    return tuple(" ".join(stretch) for stretch in stretches if len(stretch) > 1)
