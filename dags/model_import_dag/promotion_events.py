"""The asset that is updated whenever a model has a new champion; other DAGs can be scheduled on it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetAlias

from include.steps.results import PromotionResult

#: Assets are named when a promotion happens, since a form or a roll back may be of any model.
PROMOTIONS = AssetAlias("imported-model-promotions")


def champion_asset(model_name: str) -> Asset:
    """Return the asset that stands for a model's champion."""
    return Asset(f"champion-{model_name}")


def announce(outlet_events: Any, promotion: PromotionResult) -> dict[str, Any]:
    """Update the model's champion asset; return the event's extra."""
    extra = promotion.model_dump(mode="json")
    outlet_events[PROMOTIONS].add(champion_asset(promotion.model_name), extra=extra)
    return extra
