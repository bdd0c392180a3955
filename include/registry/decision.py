"""Decide whether a measured model may replace the champion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.config import Metric
from include.registry.versions import ApprovalStatus, ModelVersion

DEFAULT_METRIC = "f1"
#: Scores are stored with six decimals; a smaller difference is none.
ROUNDING = 1e-6


class PromotionDecision(BaseModel):
    """The approval status a version gets, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: ApprovalStatus
    reasons: tuple[str, ...]


def _shortfalls(scores: Mapping[str, float], thresholds: Mapping[Metric, float]) -> tuple[str, ...]:
    return tuple(
        f"{metric} {scores[metric]:.3f} is below the threshold {least:.3f}"
        for metric, least in thresholds.items()
        if scores[metric] < least
    )


def _regressions(scores: Mapping[str, float], champion: ModelVersion, metrics: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{metric} {scores[metric]:.3f} is worse than the champion's {best:.3f} (version {champion.number})"
        for metric in metrics
        if (best := champion.scores.get(metric)) is not None and scores[metric] < best - ROUNDING
    )


def _outdated(landed_at: datetime | None, champion: ModelVersion) -> tuple[str, ...]:
    newer = landed_at and champion.landed_at and champion.landed_at > landed_at
    return (f"the champion, version {champion.number}, was made of a newer fine-tune",) if newer else ()


def decide_promotion(
    *,
    fingerprint: str,
    scores: Mapping[str, float],
    dataset_digest: str,
    thresholds: Mapping[Metric, float],
    champion: ModelVersion | None,
    promotion: Literal["auto", "manual", "never"],
    landed_at: datetime | None = None,
) -> PromotionDecision:
    """Return the approval status for a measured candidate, with the reasons.

    A candidate below a threshold, or worse than the champion on the same data in a metric that has a threshold (F1 when
    none has), is rejected whatever ``promotion`` says, and so is one made of an older fine-tune than the champion.
    Scores on different data are not compared: a person decides.
    """
    if champion and champion.fingerprint == fingerprint:
        return PromotionDecision(status="Approved", reasons=(f"it is the champion already, version {champion.number}",))
    rival = champion if champion and champion.dataset_digest == dataset_digest else None
    refusals = _shortfalls(scores, thresholds)
    refusals += _regressions(scores, rival, tuple(thresholds) or (DEFAULT_METRIC,)) if rival else ()
    refusals += _outdated(landed_at, champion) if champion else ()
    refusals += ("promotion is set to never",) if promotion == "never" else ()
    if refusals:
        return PromotionDecision(status="Rejected", reasons=refusals)
    reached = tuple(f"{metric} {scores[metric]:.3f} reaches {least:.3f}" for metric, least in thresholds.items())
    if champion and not rival:
        other_data = f"champion version {champion.number} was measured on other data: a person compares and decides"
        return PromotionDecision(status="PendingManualApproval", reasons=(*reached, other_data))
    if promotion == "manual":
        return PromotionDecision(status="PendingManualApproval", reasons=(*reached, "promotion is set to manual"))
    against = f"not worse than champion version {champion.number}" if champion else "there is no champion yet"
    return PromotionDecision(status="Approved", reasons=(*reached, against))
