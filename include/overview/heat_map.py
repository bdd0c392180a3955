"""The scores of a model's newest versions by category, from their evaluation reports in S3."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from include.evaluation.results import EvaluationReport
from include.evaluation.storage import read_report
from include.registry.versions import ModelVersion
from include.run.names import EVALUATIONS, import_folder

MOST_VERSIONS, MOST_CATEGORIES = 10, 40


class HeatMap(BaseModel):
    """Scores by category and version, oldest version first; a score that was not measured is None."""

    model_config = ConfigDict(frozen=True)

    metric: str
    versions: tuple[int, ...]
    categories: tuple[tuple[str, tuple[float | None, ...]], ...]
    left_out: int = 0


def read_heat_map(s3: Any, model_name: str, versions: tuple[ModelVersion, ...], metric: str) -> HeatMap:
    """Return the heat map of the newest versions that were measured on the newest one's data; a call for each.

    Args:
        s3: an S3 client.
        model_name: the model.
        versions: its versions, newest first.
        metric: which score.
    """
    digest = versions[0].dataset_digest if versions else ""
    same = [version for version in versions if version.dataset_digest == digest][:MOST_VERSIONS]
    with ThreadPoolExecutor(4) as pool:
        reports = pool.map(partial(_report, s3, model_name), same)
    found = [(version.number, report) for version, report in zip(same, reports, strict=True) if report]
    found.reverse()
    by_version = [{part.category: part.metrics for part in report.categories} for _, report in found]
    names = sorted({name for parts in by_version for name in parts})
    rows = [
        (name, tuple(_value(parts.get(name, {}), metric) for parts in by_version)) for name in names[:MOST_CATEGORIES]
    ]
    numbers = tuple(number for number, _ in found)
    left_out = max(0, len(names) - MOST_CATEGORIES)
    return HeatMap(metric=metric, versions=numbers, categories=tuple(rows), left_out=left_out)


def _report(s3: Any, model_name: str, version: ModelVersion) -> EvaluationReport | None:
    """Return a version's report; None where the registry names an object that no run of the model wrote."""
    if f"/{import_folder(model_name, version.fingerprint)}/{EVALUATIONS}/" not in version.report_uri:
        return None
    try:
        return read_report(s3, version.report_uri)
    except ValidationError:
        return None


def _value(metrics: Any, metric: str) -> float | None:
    return metrics[metric].value if metric in metrics else None
