"""What a run measured, as metrics of CloudWatch.

Dimensions are the model and the region; the free slots are the account's, so of the region only. See
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

FAILED = frozenset({"failed", "upstream_failed"})
SCORES = {
    "exact_match": "ExactMatch",
    "quasi_exact_match": "QuasiExactMatch",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
}
Results = Mapping[str, Mapping[str, Any] | None]


def run_failed(states: Iterable[str | None]) -> bool:
    """Return whether a run whose tasks have these states fails."""
    return any(state in FAILED for state in states)


def run_metrics(
    model_name: str, region_name: str, results: Results, failed: bool, storage_month_dollars: float | None
) -> list[dict[str, Any]]:
    """Return the metrics of one run, in the form of PutMetricData.

    Args:
        model_name: what was imported.
        region_name: where.
        results: what create_import_job, wait_for_import, warm_up and evaluate_model left, by task; None where they did
            not get so far.
        failed: whether the run failed.
        storage_month_dollars: what keeping the imported model costs, where that is known.
    """
    values = {
        "RunFailed": (float(failed), "Count"),
        "RunSucceeded": (float(not failed), "Count"),
        **_measured(results),
    }
    if storage_month_dollars is not None:
        values["StorageDollarsPerMonth"] = (storage_month_dollars, "None")
    dimensions = [{"Name": "ModelName", "Value": model_name}, {"Name": "Region", "Value": region_name}]
    return [_datum(name, value, unit, dimensions) for name, (value, unit) in values.items()]


def slot_metric(region_name: str, free: int) -> dict[str, Any]:
    """Return how many more models the account may import."""
    return _datum("ModelSlotsFree", float(free), "Count", [{"Name": "Region", "Value": region_name}])


def _measured(results: Results) -> dict[str, tuple[float, str]]:
    """The metrics. The seconds of an import that this run adopted were reported by the run that started it."""
    started, imported = results.get("create_import_job") or {}, results.get("wait_for_import") or {}
    warm, evaluated = results.get("warm_up") or {}, results.get("evaluate_model") or {}
    values: dict[str, tuple[float, str]] = {}
    if imported.get("seconds") is not None and not started.get("adopted"):
        values["ImportSeconds"] = (float(imported["seconds"]), "Seconds")
    if warm.get("cold_start_seconds") is not None:
        values["ColdStartSeconds"] = (float(warm["cold_start_seconds"]), "Seconds")
    scores = evaluated.get("scores") or {}
    values |= {SCORES[name]: (float(score), "None") for name, score in scores.items() if name in SCORES}
    return values


def _datum(name: str, value: float, unit: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    return {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions}
