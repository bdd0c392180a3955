from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.registry.decision import PromotionDecision, decide_promotion
from include.registry.versions import ModelVersion


def _champion(f1: float = 0.9, dataset_digest: str = "set", fingerprint: str = "old") -> ModelVersion:
    metadata = {"score.f1": f"{f1}", "dataset_digest": dataset_digest, "fingerprint": fingerprint}
    return ModelVersion(arn="arn", number=3, status="Approved", created_at=datetime.now(UTC), metadata=metadata)


def _decide(f1: float, **changes: Any) -> PromotionDecision:
    arguments: dict[str, Any] = {
        "fingerprint": "new",
        "scores": {"f1": f1},
        "dataset_digest": "set",
        "thresholds": {"f1": 0.8},
        "champion": None,
        "promotion": "auto",
    }
    return decide_promotion(**(arguments | changes))


def test_the_first_model_that_reaches_its_thresholds_is_approved() -> None:
    assert _decide(0.8).status == "Approved"


def test_a_model_below_a_threshold_is_rejected_with_the_numbers() -> None:
    decision = _decide(0.7, promotion="manual")
    assert decision.status == "Rejected"
    assert "f1 0.700 is below the threshold 0.800" in decision.reasons


@pytest.mark.parametrize(("f1", "status"), [(0.95, "Approved"), (0.9, "Approved"), (0.8999, "Rejected")])
def test_a_model_must_not_be_worse_than_the_champion(f1: float, status: str) -> None:
    assert _decide(f1, champion=_champion(0.9)).status == status


def test_a_rejected_model_is_told_which_champion_is_better() -> None:
    assert any("version 3" in reason for reason in _decide(0.85, champion=_champion(0.9)).reasons)


def test_scores_on_other_data_are_not_compared_but_left_to_a_person() -> None:
    assert _decide(0.85, champion=_champion(0.9, dataset_digest="other")).status == "PendingManualApproval"


def test_the_champions_own_content_stays_approved() -> None:
    assert _decide(0.5, champion=_champion(0.9, fingerprint="new")).status == "Approved"


def test_manual_promotion_waits_for_a_person() -> None:
    assert _decide(1.0, promotion="manual").status == "PendingManualApproval"


def test_never_rejects_whatever_the_score() -> None:
    assert _decide(1.0, promotion="never").status == "Rejected"


def test_an_older_fine_tune_than_the_champions_is_rejected_however_well_it_scores() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    champion = _champion(0.8)
    newer = champion.model_copy(update={"metadata": {**champion.metadata, "landed_at": noon.isoformat()}})
    assert _decide(1.0, champion=newer, landed_at=noon - timedelta(seconds=1)).status == "Rejected"
    assert _decide(1.0, champion=newer, landed_at=noon + timedelta(seconds=1)).status == "Approved"


def test_without_thresholds_f1_is_compared_with_the_champion() -> None:
    assert _decide(0.89, thresholds={}, champion=_champion(0.9)).status == "Rejected"
    assert _decide(0.1, thresholds={}).status == "Approved"
