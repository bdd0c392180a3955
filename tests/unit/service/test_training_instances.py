from __future__ import annotations

import re
from collections.abc import Iterator

import botocore.session
import pytest

from include.config.training import TrainingJobSettings
from include.run.workspace import PROJECT_ROOT
from include.service.training_instances import load_training_instances, training_cost

TABLE = load_training_instances()
DEFAULT = str(TrainingJobSettings().instance_type)


def documented_rows() -> Iterator[list[str]]:
    """The cells of each row about an instance type in the page for data scientists."""
    for line in (PROJECT_ROOT / "docs" / "fine-tuning.md").read_text("utf-8").splitlines():
        if re.match(r"\| `ml\.\S+` \|", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_a_spot_job_costs_its_billable_seconds_and_is_compared_with_all_of_its_seconds() -> None:
    cost = training_cost("ml.g5.12xlarge", 2, "us-east-1", training_seconds=7200, billable_seconds=3600)
    assert cost.usd == pytest.approx(2 * 7.09)
    assert cost.on_demand_usd == pytest.approx(2 * 2 * 7.09)
    assert cost.summary() == f"14.18 USD, 50% less than 28.36 USD on demand. Prices of {TABLE.as_of}"


def test_a_job_on_demand_is_not_compared_with_itself() -> None:
    cost = training_cost("ml.g5.12xlarge", 1, "us-east-1", training_seconds=3600, billable_seconds=3600)
    assert cost.summary() == f"7.09 USD. Prices of {TABLE.as_of}"


@pytest.mark.parametrize(("instance", "region"), [("ml.g5.12xlarge", "eu-central-1"), ("ml.new.xlarge", "us-east-1")])
def test_a_price_that_is_not_in_the_table_is_said_to_be_unknown(instance: str, region: str) -> None:
    cost = training_cost(instance, 1, region, training_seconds=60, billable_seconds=60)
    assert (cost.usd, cost.on_demand_usd) == (None, None)
    assert cost.summary() == f"price unknown. Prices of {TABLE.as_of}"


def test_every_type_is_one_that_sagemaker_trains_on_and_the_default_is_among_them() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert set(TABLE.types) <= set(model.shape_for("TrainingInstanceType").enum)
    assert DEFAULT in TABLE.types


def test_the_page_for_data_scientists_has_the_table_with_its_date() -> None:
    rows = list(documented_rows())
    expected = [
        [
            f"`{name}`",
            f"{one.gpus} {one.gpu}",
            str(one.gpu_memory_gb),
            f"{one.memory_gib:,}",
            f"{one.usd_per_hour:.3f}{' (uncertain)' if one.uncertain else ''}",
        ]
        for name, one in TABLE.types.items()
    ]
    assert rows == expected
    assert f"prices of {TABLE.as_of}" in (PROJECT_ROOT / "docs" / "fine-tuning.md").read_text("utf-8")
