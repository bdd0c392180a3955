"""Instance types of SageMaker training jobs: size, price and what a job costs, from ``training_instances.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

INSTANCES_FILE = Path(__file__).with_name("training_instances.yaml")
_SECONDS_PER_HOUR = 3600


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingInstance(_Block):
    """One instance type; ``gpu_memory_gb`` is that of one GPU."""

    gpus: int
    gpu: str
    gpu_memory_gb: int
    memory_gib: int
    usd_per_hour: float
    uncertain: bool = False


class TrainingInstances(_Block):
    """The whole of ``training_instances.yaml``. The prices are those of ``regions``."""

    as_of: str
    source: str
    regions: tuple[str, ...]
    types: dict[str, TrainingInstance]

    def hourly_price(self, instance_type: str, region_name: str) -> float | None:
        """Return the price of an instance in US dollars per hour; None where it is not known."""
        found = self.types.get(instance_type)
        return found.usd_per_hour if found and region_name in self.regions else None


class TrainingCost(_Block):
    """What a training job costs in US dollars, and what it costs without spot capacity; None: price unknown."""

    usd: float | None
    on_demand_usd: float | None
    as_of: str

    def summary(self) -> str:
        """Return the cost in words."""
        return f"{cost_words(self.usd, self.on_demand_usd)}. Prices of {self.as_of}"


def cost_words(usd: float | None, on_demand_usd: float | None) -> str:
    """Return the cost of a job, and how much less it is than on demand."""
    if usd is None or on_demand_usd is None:
        return "price unknown"
    saved = 1 - usd / on_demand_usd if on_demand_usd else 0
    return f"{usd:.2f} USD" + (f", {saved:.0%} less than {on_demand_usd:.2f} USD on demand" if saved > 0 else "")


@cache
def load_training_instances() -> TrainingInstances:
    """Return the table of ``training_instances.yaml``."""
    raw = yaml.load(INSTANCES_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return TrainingInstances.model_validate({**raw, "as_of": str(raw["as_of"])})


def training_cost(
    instance_type: str, instances: int, region_name: str, *, training_seconds: float, billable_seconds: float
) -> TrainingCost:
    """Return what a training job costs so far.

    SageMaker bills ``BillableTimeInSeconds`` of each instance at the price on demand; with managed spot training it is
    less than ``TrainingTimeInSeconds``
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html).

    Args:
        instance_type: the job's.
        instances: how many it has.
        region_name: where it runs.
        training_seconds: ``TrainingTimeInSeconds``.
        billable_seconds: ``BillableTimeInSeconds``.
    """
    table = load_training_instances()
    price = table.hourly_price(instance_type, region_name)
    if price is None:
        return TrainingCost(usd=None, on_demand_usd=None, as_of=table.as_of)
    per_second = price * instances / _SECONDS_PER_HOUR
    return TrainingCost(
        usd=billable_seconds * per_second, on_demand_usd=training_seconds * per_second, as_of=table.as_of
    )
