from __future__ import annotations

import pytest

from include.registry.sagemaker import metadata_value
from include.service.pricing import model_cost, storage_summary

UNITS = {"customModelUnitsPerModelCopy": 2, "customModelUnitsVersion": "v1.0"}


def test_an_8b_model_costs_what_the_price_list_says() -> None:
    cost = model_cost(UNITS, "us-east-1")
    assert cost.window_dollars == pytest.approx(2 * 0.05718 * 5)
    assert cost.storage_month_dollars == pytest.approx(3.90)
    assert "0.5718 USD per copy and 5 minutes of use + 3.90 USD storage a month" in cost.summary()


def test_the_price_depends_on_region_and_unit_version() -> None:
    assert model_cost(UNITS, "eu-central-1").window_dollars == pytest.approx(2 * 0.07144 * 5)
    newer = {**UNITS, "customModelUnitsVersion": "v2.0"}
    assert model_cost(newer, "us-west-2").window_dollars == pytest.approx(2 * 0.1433 * 5)


@pytest.mark.parametrize(
    ("units", "region"), [(UNITS, "us-east-2"), ({**UNITS, "customModelUnitsVersion": "v9.9"}, "us-east-1")]
)
def test_an_unknown_price_is_none_and_said_to_be_unknown(units: dict[str, object], region: str) -> None:
    cost = model_cost(units, region)
    assert (cost.window_dollars, cost.storage_month_dollars) == (None, None)
    assert f"price in {region} unknown. Prices of {cost.as_of}" in cost.summary()


@pytest.mark.parametrize("units", [None, {}])
def test_a_model_without_units_has_no_price(units: dict[str, object] | None) -> None:
    cost = model_cost(units, "us-east-1")
    assert cost.window_dollars is None
    assert "Bedrock did not report" in cost.summary()


@pytest.mark.parametrize("units", [UNITS, None, {**UNITS, "customModelUnitsVersion": "v9.9"}])
def test_a_cost_is_the_same_after_the_registry_has_held_it(units: dict[str, object] | None) -> None:
    summary = model_cost(units, "us-east-1").summary()
    assert metadata_value(summary) == summary


def test_the_prices_carry_their_date() -> None:
    assert "Prices of 2026-09-30" in model_cost(UNITS, "us-east-1").summary()


def test_storing_several_models_is_summed_and_unknown_prices_are_counted() -> None:
    known, unknown = model_cost(UNITS, "us-east-1"), model_cost(UNITS, "us-east-2")
    assert storage_summary([known, known]) == "7.80 USD storage a month for 2 models"
    assert storage_summary([known, unknown]) == "3.90 USD storage a month for 1 model, and 1 of unknown price"
