from __future__ import annotations

from typing import Any

from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.writing.progress import no_progress
from include.delivery.earlier import earlier_deliveries
from include.delivery.upload import upload
from include.run.workspace import PROJECT_ROOT

BUCKET = "models"
BASE = PROJECT_ROOT / "include" / "demo" / "base"


def _deliver(s3: Any, version: str) -> None:
    upload(
        s3,
        checkpoint_of_folder(BASE),
        BUCKET,
        f"earlier/{version}/checkpoint",
        manifest_key=f"earlier/{version}/manifest.json",
        fingerprint=version,
        proof=None,
        progress=no_progress,
    )


def test_the_newest_whole_deliveries_of_a_model_are_found(s3: Any) -> None:
    assert earlier_deliveries(s3, BUCKET, "earlier/") == ()
    for version in ("one", "two"):
        _deliver(s3, version)
    assert {manifest.fingerprint for manifest in earlier_deliveries(s3, BUCKET, "earlier/")} == {"one", "two"}
    assert len(earlier_deliveries(s3, BUCKET, "earlier/", most=1)) == 1


def test_a_delivery_that_lost_an_object_is_left_out(s3: Any) -> None:
    _deliver(s3, "whole")
    _deliver(s3, "broken")
    s3.delete_object(Bucket=BUCKET, Key="earlier/broken/checkpoint/config.json")
    fingerprints = {manifest.fingerprint for manifest in earlier_deliveries(s3, BUCKET, "earlier/", most=10)}
    assert "whole" in fingerprints
    assert "broken" not in fingerprints
