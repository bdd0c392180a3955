"""The measurements of a run, as CloudWatch metrics.

Dimensions are the model and the region; the free slots are the account's, so of the region only. See
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from include.steps.results import EvaluationResult, ImportResult, StartedImportResult, WarmUpResult

FAILED = frozenset({"failed", "upstream_failed"})
SCORES = {
    "exact_match": "ExactMatch",
    "quasi_exact_match": "QuasiExactMatch",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
}


class RunMeasurements(NamedTuple):
    """The measurements of a run; None for steps that it did not reach."""

    started: StartedImportResult | None = None
    imported: ImportResult | None = None
    warm_up: WarmUpResult | None = None
    evaluation: EvaluationResult | None = None


def run_failed(states: Iterable[str | None]) -> bool:
    """Return whether a run with tasks in these states fails."""
    return any(state in FAILED for state in states)


def run_metrics(
    model_name: str, region_name: str, measured: RunMeasurements, failed: bool, storage_month_dollars: float | None
) -> list[dict[str, Any]]:
    """Return the metrics of one run, in the form of PutMetricData.

    Args:
        model_name: what was imported.
        region_name: where.
        measured: what the run measured.
        failed: whether the run failed.
        storage_month_dollars: what keeping the imported model costs, where that is known.
    """
    values = {
        "RunFailed": (float(failed), "Count"),
        "RunSucceeded": (float(not failed), "Count"),
        **_measured(measured),
    }
    if storage_month_dollars is not None:
        values["StorageDollarsPerMonth"] = (storage_month_dollars, "None")
    dimensions = [{"Name": "ModelName", "Value": model_name}, {"Name": "Region", "Value": region_name}]
    return [_datum(name, value, unit, dimensions) for name, (value, unit) in values.items()]


def slot_metric(region_name: str, free: int) -> dict[str, Any]:
    """Return the metric for the number of models that the account may still import."""
    return _datum("ModelSlotsFree", float(free), "Count", [{"Name": "Region", "Value": region_name}])


def _measured(run: RunMeasurements) -> dict[str, tuple[float, str]]:
    """Return the metrics. The seconds of an import that this run adopted were reported by the run that started it."""
    values: dict[str, tuple[float, str]] = {}
    adopted = run.started is not None and run.started.adopted
    if run.imported and run.imported.seconds is not None and not adopted:
        values["ImportSeconds"] = (run.imported.seconds, "Seconds")
    if run.warm_up and run.warm_up.cold_start_seconds is not None:
        values["ColdStartSeconds"] = (run.warm_up.cold_start_seconds, "Seconds")
    scores = run.evaluation.scores if run.evaluation else {}
    values |= {SCORES[name]: (score, "None") for name, score in scores.items() if name in SCORES}
    return values


def _datum(name: str, value: float, unit: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    return {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions}
