"""What a month costs for a number of models, from the dated prices, as an estimate before it is spent."""

from __future__ import annotations

import math
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from include.service.limits import Limits, load_limits
from include.service.pricing import model_cost
from include.service.training_instances import load_training_instances

DAYS = 30
#: The sizes of the parts that an upload sends, and of those that S3 copies.
SENT_MEGABYTES, COPIED_MEGABYTES = 8, 512


class MonthlyUse(BaseModel):
    """The models of an account, and how a month uses them. Numbers hold for each model unless they say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str = Field("us-east-1", description="region of the imported models")
    models: int = Field(1, ge=0, description="number of models")
    versions: int = Field(2, ge=0, description="imported versions of a model at a time (see retention.keep)")
    units: int = Field(1, ge=1, description="Custom Model Units of a model copy, as GetImportedModel reports them")
    unit_version: str = Field("1.0", description="version of the Custom Model Units")
    hours: float = Field(8, ge=0, le=24, description="hours a day in which applications call the champion")
    copies: float = Field(1, ge=0, description="model copies in these hours, on average; Bedrock scales them by load")
    gigabytes: float = Field(15, ge=0, description="size of a checkpoint in S3, in GB")
    checkpoints: int = Field(4, ge=0, description="checkpoints of a model that are kept in S3")
    imports: int = Field(4, ge=0, description="imports of a model in a month")
    changed: float = Field(1, ge=0, le=1, description="share of a checkpoint that an import sends; the rest S3 copies")
    evaluation_minutes: float = Field(10, ge=0, description="minutes for which an evaluation keeps a copy busy")
    training_hours: float = Field(0, ge=0, description="hours of a training job before each import")
    training_instance: str = Field("ml.g5.2xlarge", description="instance type of the training jobs")


class CostItem(NamedTuple):
    """A part of a month's cost in US dollars; None: a price is not known."""

    name: str
    dollars: float | None


def month_costs(use: MonthlyUse, limits: Limits | None = None) -> tuple[CostItem, ...]:
    """Return the parts of a month's cost.

    A model copy bills windows of five minutes, so an evaluation that is shorter bills a whole window.

    Args:
        use: what is used.
        limits: other prices than those of limits.yaml.
    """
    limits = limits or load_limits()
    prices = limits.prices
    units = {"customModelUnitsPerModelCopy": use.units, "customModelUnitsVersion": use.unit_version}
    cost = model_cost(units, use.region, prices)
    imports = use.models * use.imports
    s3 = limits.s3_prices
    stored, written = s3.storage_per_gigabyte_month, s3.per_thousand_writes
    has_prices = use.region in s3.regions
    served = use.models * DAYS * use.hours * 60 / prices.window_minutes * use.copies
    evaluated = imports * math.ceil(use.evaluation_minutes / prices.window_minutes)
    parts = use.gigabytes * 1000 * (use.changed / SENT_MEGABYTES + (1 - use.changed) / COPIED_MEGABYTES)
    hourly = load_training_instances().hourly_price(use.training_instance, use.region)
    return (
        CostItem("Answers of the champions", _times(served, cost.window_dollars)),
        CostItem("Evaluations", _times(evaluated, cost.window_dollars)),
        CostItem("Storage of imported models", _times(use.models * use.versions, cost.storage_month_dollars)),
        CostItem(
            "Checkpoints in S3",
            _times(use.models * use.checkpoints * use.gigabytes, stored if has_prices else None),
        ),
        CostItem("Requests of uploads", _times(imports * parts / 1000, written if has_prices else None)),
        CostItem("Training jobs", _times(imports * use.training_hours, hourly)),
    )


def _times(number: float, price: float | None) -> float | None:
    if number == 0:
        return 0.0
    return None if price is None else number * price
