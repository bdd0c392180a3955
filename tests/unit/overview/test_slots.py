from __future__ import annotations

from datetime import UTC, datetime

from include.aws.imported_models import ImportedModel
from include.overview.outlook import slots
from include.retention.selection import RetirementPlan, Verdict
from include.service.pricing import model_cost


def verdict(name: str, group: str, status: str | None) -> Verdict:
    model = ImportedModel(
        name=name, arn=f"arn:{name}", created_at=datetime(2026, 1, 1, tzinfo=UTC),
        tags={"fingerprint": "f", "model_name": group}, cost=model_cost(None, "us-east-1"),
    )  # fmt: skip
    return Verdict.model_validate({"model": model, "reason": "", "status": status})


def test_each_slot_of_the_quota_shows_what_holds_it() -> None:
    plan = RetirementPlan(
        keep=(verdict("capitals-1", "capitals", "Approved"), verdict("secret-1", "secret", "Approved")),
        retire=(verdict("capitals-2", "capitals", "Rejected"),),
    )
    found = slots(plan, 5, lambda name: name == "capitals")
    assert [(slot.name, slot.status, slot.goes) for slot in found] == [
        ("capitals-1", "approved", False), ("", "other", False), ("capitals-2", "rejected", True),
        ("", "free", False), ("", "free", False),
    ]  # fmt: skip


def test_a_quota_that_was_lowered_leaves_no_free_slot() -> None:
    plan = RetirementPlan(keep=(verdict("a-1", "a", None), verdict("a-2", "a", None)), retire=())
    assert [slot.status for slot in slots(plan, 1, lambda _: True)] == ["not registered", "not registered"]
