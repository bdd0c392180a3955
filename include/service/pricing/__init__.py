"""What an imported model costs, from the dated prices of ``limits.yaml``, and what a judge's tokens cost.

Importing is free. A model copy bills in windows of five minutes from its first successful call, by Custom Model Units;
storage bills per unit and month, used or not. See https://aws.amazon.com/bedrock/pricing/ ("Custom Model Import").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from include.service.limits import Prices, load_limits
from include.wording import counted

_SLOW_TOKENS_PER_SECOND = 20


class ModelCost(BaseModel):
    """The price of one imported model in US dollars; None where the price is not known.

    ``units_per_copy`` and ``units_version`` are what GetImportedModel answers; ``window_minutes`` is the least time
    that a copy bills.
    """

    model_config = ConfigDict(frozen=True)

    region_name: str
    units_per_copy: int | None
    units_version: str
    window_minutes: int
    window_dollars: float | None
    storage_month_dollars: float | None
    as_of: str

    def summary(self) -> str:
        """Return the cost in words; of signs, only those that the registry's metadata can hold."""
        if self.units_per_copy is None:
            return "cost unknown: Bedrock did not report the Custom Model Units of the model"
        units = f"{self.units_per_copy} Custom Model Unit{'' if self.units_per_copy == 1 else 's'} {self.units_version}"
        if self.window_dollars is None or self.storage_month_dollars is None:
            return f"{units}: price in {self.region_name} unknown. Prices of {self.as_of}"
        return (
            f"{units}: {self.window_dollars:.4f} USD per copy and {self.window_minutes} minutes of use + "
            f"{self.storage_month_dollars:.2f} USD storage a month. Prices of {self.as_of}"
        )


def model_cost(
    custom_model_units: Mapping[str, Any] | None, region_name: str, prices: Prices | None = None
) -> ModelCost:
    """Return what an imported model costs.

    Args:
        custom_model_units: ``customModelUnits`` of GetImportedModel's answer.
        region_name: where the model is imported.
        prices: other prices than those of limits.yaml.
    """
    prices = prices or load_limits().prices
    given = custom_model_units or {}
    units, version = given.get("customModelUnitsPerModelCopy"), str(given.get("customModelUnitsVersion", ""))
    per_minute = prices.per_unit_minute.get(version.removeprefix("v"), {}).get(region_name)
    window, storage = None, None
    if units is not None and per_minute is not None:
        window, storage = units * per_minute * prices.window_minutes, units * prices.storage_per_unit_month
    return ModelCost(
        region_name=region_name,
        units_per_copy=units,
        units_version=version,
        window_minutes=prices.window_minutes,
        window_dollars=window,
        storage_month_dollars=storage,
        as_of=prices.as_of,
    )


def use_summary(cost: ModelCost, windows: int) -> str:
    """Return the cost of this many billing windows of one copy, as text."""
    used = f"{counted(windows, 'window')} of {cost.window_minutes} minutes of one model copy"
    if cost.window_dollars is None:
        return f"{used}; price unknown"
    return f"{used}: {windows * cost.window_dollars:.4f} USD (prices of {cost.as_of})"


def expected_windows(cost: ModelCost, questions: int, max_tokens: int, concurrency: int) -> int:
    """Return an upper bound of the billing windows for this many questions, at 20 tokens a second per answer.

    No source states that rate; it is slow for a model of 8 billion weights.
    """
    seconds = math.ceil(questions / concurrency) * max_tokens / _SLOW_TOKENS_PER_SECOND
    return max(1, math.ceil(seconds / 60 / cost.window_minutes)) if questions else 0


def used_windows(answered_at: Iterable[datetime], window_minutes: int) -> int:
    """Return the number of billing windows of these calls; each begins with the first call after the previous one."""
    windows, ends = 0, None
    for moment in sorted(answered_at):
        if ends is None or moment >= ends:
            windows, ends = windows + 1, moment + timedelta(minutes=window_minutes)
    return windows


class TokenUse(BaseModel):
    """The tokens that a model charged by the token has used, and their prices in US dollars per million, if known."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int
    output_tokens: int
    input_price: float | None = None
    output_price: float | None = None

    def summary(self) -> str:
        """Return tokens and cost as text."""
        used = f"{self.input_tokens:,} input and {self.output_tokens:,} output tokens"
        if self.input_price is None or self.output_price is None:
            return f"{used}; price unknown"
        dollars = (self.input_tokens * self.input_price + self.output_tokens * self.output_price) / 1_000_000
        return f"{used}: {dollars:.4f} USD"


def storage_summary(costs: Iterable[ModelCost]) -> str:
    """Return the monthly storage cost of these models, and how many prices are unknown."""
    monthly = [cost.storage_month_dollars for cost in costs]
    known = [dollars for dollars in monthly if dollars is not None]
    unknown = f", and {len(monthly) - len(known)} of unknown price" if len(known) < len(monthly) else ""
    return f"{sum(known):.2f} USD storage a month for {counted(len(known), 'model')}{unknown}"
