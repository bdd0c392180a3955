"""What a month costs, by the price list."""

from __future__ import annotations

import subprocess
import sys

import pytest

from include.service.pricing.__main__ import main
from include.service.pricing.month import MonthlyUse, month_costs


def dollars(**use: object) -> dict[str, float | None]:
    return {cost.name: cost.dollars for cost in month_costs(MonthlyUse.model_validate(use))}


def test_a_month_of_ten_8b_models_costs_what_the_price_list_says() -> None:
    use = {"models": 10, "versions": 3, "units": 2, "hours": 8, "gigabytes": 16, "checkpoints": 5, "imports": 4}
    found = dollars(**use, evaluation_minutes=12, training_hours=1.5, training_instance="ml.g5.2xlarge")
    assert found == pytest.approx(
        {
            "Answers of the champions": 10 * 30 * 8 * 60 * 2 * 0.05718,
            "Evaluations": 10 * 4 * 15 * 2 * 0.05718,  # 12 minutes bill three windows of five
            "Storage of imported models": 10 * 3 * 2 * 1.95,
            "Checkpoints in S3": 10 * 5 * 16 * 0.023,
            "Requests of uploads": 10 * 4 * 16_000 / 8 / 1000 * 0.005,
            "Training jobs": 10 * 4 * 1.5 * 1.515,
        }
    )


def test_a_model_that_nobody_calls_costs_its_storage() -> None:
    found = dollars(hours=0, imports=0, gigabytes=0)
    assert found.pop("Storage of imported models") == pytest.approx(2 * 1.95)
    assert set(found.values()) == {0.0}


def test_what_has_no_known_price_is_none_where_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    found = dollars(region="eu-central-1", training_hours=1)
    assert (found["Checkpoints in S3"], found["Training jobs"]) == (None, None)
    assert found["Answers of the champions"]
    assert main(["--region", "eu-central-1"]) == 0
    assert "+ unknown" in capsys.readouterr().out


def test_the_command_compares_two_policies_and_names_the_dates_of_the_prices() -> None:
    command = [sys.executable, "-m", "include.service.pricing", "--models", "10", "--then", "versions=1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [storage] = [line for line in printed.splitlines() if "Storage of imported models" in line]
    assert "39.00" in storage
    assert "19.50" in storage
    assert "Prices of 20" in printed


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("models", ["--models", "x"]),
        ("hours", ["--hours", "25"]),
        ("then", ["--then", "versions"]),
        ("size", ["--then", "size=1"]),
    ],
)
def test_a_wrong_argument_is_named(name: str, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
    assert f"error: {name}:" in capsys.readouterr().err
