"""The model card of a version, in SageMaker's schema.

Schema: https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html#model-card-schema
(written from memory on 2026-11-22; to be compared with that page).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from include.evaluation.metrics import unit_of
from include.evaluation.results import Estimate, EvaluationReport

#: Lengths that the schema allows.
_OBSERVATION, _DETAIL, _NAME, _TEXT = 2096, 1024, 63, 2048
#: The whole card may have 100,000 characters; a category takes some 1,000.
MOST_CATEGORIES = 40
_GROUP = "all records"


def model_card(
    description: str, report: EvaluationReport, reasons: Iterable[str], details: Mapping[str, str], artifact: str
) -> str:
    """Return the card as JSON.

    Args:
        description: what the model is for.
        report: its evaluation.
        reasons: why it was promoted, or not.
        details: what else is recorded of the version; values of up to 1024 characters, metadata holds 256.
        artifact: the ``s3://`` URI of the checkpoint.
    """
    card = {
        "model_overview": {"model_artifact": [artifact[:_DETAIL]]},
        "intended_uses": {"purpose_of_model": description[:_TEXT], "risk_rating": "Unknown"},
        "evaluation_details": [_evaluation(report, reasons)],
        "additional_information": {
            "custom_details": {name: value[:_DETAIL] for name, value in details.items() if value}
        },
    }
    return json.dumps(card)


def _evaluation(report: EvaluationReport, reasons: Iterable[str]) -> dict[str, Any]:
    largest = sorted(report.categories, key=lambda part: -part.records)[:MOST_CATEGORIES]
    return {
        "name": "Answers of the imported model",
        "evaluation_observation": "; ".join(reasons)[:_OBSERVATION],
        "datasets": [report.dataset_uri[:_DETAIL]],
        "metadata": {
            "dataset_sha256": report.dataset_digest,
            "records": f"{report.records} of {report.dataset_records}",
            "prompt_template": report.prompt.prompt_template[:_DETAIL],
        },
        "metric_groups": [
            {"name": _GROUP, "metric_data": _metric_data(report.metrics)},
            *(
                {"name": " ".join(part.category.split())[:_NAME] or "-", "metric_data": _metric_data(part.metrics)}
                for part in largest
            ),
        ],
    }


def _metric_data(metrics: Mapping[str, Estimate]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "type": "number",
            "value": round(one.value, 6),
            "notes": f"95 % interval {one.low:.4f} to {one.high:.4f} {unit_of(name)}".rstrip(),
        }
        for name, one in metrics.items()
    ]
