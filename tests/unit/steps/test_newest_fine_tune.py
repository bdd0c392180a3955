from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.registry.versions import ModelVersion
from include.run.plan import ImportPlan
from include.steps.newest_fine_tune import FineTuneMissingError, judge, newest_fine_tune

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = {"model_name": "capitals", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}
NAMES = ("region_name", "aws_conn_id", "role_arn", "bucket", "imported_model_name", "job_name", "client_request_token",
         "s3_uri", "manifest_key", "evaluation_prefix", "workspace")  # fmt: skip


def event(artifact: str, hour: int) -> dict[str, str]:
    return {"artifact": artifact, "landed_at": NOON.replace(hour=hour).isoformat()}


def plan(landed_at: datetime | None = NOON) -> ImportPlan:
    values: dict[str, Any] = dict.fromkeys(NAMES, "x")
    values |= {"config": MODEL, "fingerprint": "new", "content": "new", "checkpoint_bytes": 1}
    values |= {"delivered": False, "tags": {}, "landed_at": landed_at}
    return ImportPlan.model_validate(values)


def version(status: str = "Approved", **metadata: str) -> ModelVersion:
    return ModelVersion.model_validate(
        {"arn": "arn", "number": 3, "status": status, "created_at": NOON, "metadata": {"fingerprint": "old"} | metadata}
    )


def landed(hours: int) -> str:
    return (NOON + timedelta(hours=hours)).isoformat()


def test_what_landed_last_is_taken_in_whatever_order_it_was_told() -> None:
    told = [event("old, told late", 3), event("newest", 9), event("oldest", 1)]
    assert newest_fine_tune("asset", told).artifact == "newest"


def test_of_two_that_landed_in_the_same_second_the_one_told_last_is_taken() -> None:
    assert newest_fine_tune("asset", [event("told last", 9), event("told first", 9)]).artifact == "told last"


@pytest.mark.parametrize("payloads", [[], [None], [{}], [{"artifact": "a", "landed_at": "yesterday"}], ["text"]])
def test_an_asset_whose_events_name_no_artifact_is_refused_by_name(payloads: list[object]) -> None:
    with pytest.raises(FineTuneMissingError, match="fine-tunes-of-x"):
        newest_fine_tune("fine-tunes-of-x", payloads)


def test_an_event_made_by_hand_without_an_artifact_does_not_hide_the_others() -> None:
    assert newest_fine_tune("asset", [{"note": "by hand"}, event("a", 1)]).artifact == "a"


@pytest.mark.parametrize("status", ["Approved", "PendingManualApproval", "Rejected"])
def test_content_that_is_registered_is_not_imported_again(status: str) -> None:
    verdict = judge(plan(), [version(status, fingerprint="new")])
    assert not verdict.goes_on
    assert "version 3" in verdict.reason


def test_content_whose_model_was_retired_is_imported_again() -> None:
    assert judge(plan(), [version(fingerprint="new", retired_at=landed(0))]).goes_on


@pytest.mark.parametrize("status", ["Approved", "PendingManualApproval"])
def test_a_late_old_fine_tune_does_not_replace_a_newer_one(status: str) -> None:
    verdict = judge(plan(), [version(status, landed_at=landed(1))])
    assert not verdict.goes_on
    assert "after this one" in verdict.reason


def test_a_newer_one_that_was_rejected_does_not_stand_in_the_way() -> None:
    assert judge(plan(), [version("Rejected", landed_at=landed(1)), version(landed_at=landed(-1))]).goes_on


@pytest.mark.parametrize("metadata", [{"landed_at": landed(-1)}, {"landed_at": landed(0)}, {}])
def test_what_is_not_older_goes_on(metadata: dict[str, str]) -> None:
    assert judge(plan(), [version(**metadata)]).goes_on


def test_a_run_that_no_landing_started_is_not_compared_by_age() -> None:
    assert judge(plan(landed_at=None), [version(landed_at=landed(1))]).goes_on
