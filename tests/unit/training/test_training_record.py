from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.registry.versions import ModelVersion
from include.steps.hand_over import imported_version
from include.steps.record_training import loss_points
from include.training.training_record import (
    FineTuneRecord,
    LossPoint,
    TrainingData,
    TrainingRecordUnreadableError,
    record_uri,
    record_uri_beside,
)

CARD = {
    "steps": 40,
    "seconds": 1200.0,
    "losses": {
        "train": [[10, 3.0], [20, 2.0], [30, 1.5], [40, 1.0]],
        "held_out": [[0, 4.0], [4, 3.5], [20, 2.2], [40, 1.1]],
    },
}


def record(job_name: str = "capitals-ft-1") -> FineTuneRecord:
    return FineTuneRecord(
        model_name="capitals",
        job_name=job_name,
        job_arn="arn",
        fingerprint="f" * 64,
        base="s3://bucket/base",
        data=TrainingData(uri="s3://bucket/data", format="messages"),
        data_digest="d" * 64,
        data_report_uri="s3://bucket/report",
        settings={"seed": 0},
        versions={"torch": "2.13.0"},
        instance_type="ml.g6.12xlarge",
        instances=1,
        spot=True,
        training_seconds=100,
        billable_seconds=30,
        loss=(LossPoint(step=1, train=1.0),),
        steps=1,
        tokens=10,
        attempts=2,
        finished_at=datetime(2026, 11, 28, tzinfo=UTC),
        artifact_uri="s3://bucket/model.tar.gz",
    )


def test_a_record_is_read_as_it_was_written() -> None:
    assert FineTuneRecord.of_json("uri", record().as_json()) == record()


def test_a_damaged_record_is_named_with_what_to_do() -> None:
    with pytest.raises(TrainingRecordUnreadableError, match="record_training") as caught:
        FineTuneRecord.of_json("s3://bucket/record.json", b"{}")
    assert "s3://bucket/record.json" in str(caught.value)


def test_the_record_is_found_from_an_artifact_of_this_project_and_from_no_other() -> None:
    uri = record_uri("bucket", "models", "capitals", "f" * 64)
    artifact = f"s3://bucket/models/capitals/training/{'f' * 64}/capitals-ft-1-2/output/model.tar.gz"
    assert record_uri_beside(artifact) == uri
    for other in ("s3://bucket/jobs/x/output/model.tar.gz", "s3://bucket/model.tar.gz", "s3://bucket/output/x"):
        assert record_uri_beside(other) is None


def test_the_curve_has_the_held_out_loss_at_the_first_point_from_its_step_on() -> None:
    points = loss_points(CARD)
    assert [point.held_out for point in points] == [3.5, 2.2, None, 1.1]
    assert [point.minutes for point in points] == [5.0, 10.0, 15.0, 20.0]


def version(number: int, **metadata: str) -> ModelVersion:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    return ModelVersion(arn="arn", number=number, status="Approved", created_at=now, metadata=metadata)


def test_a_fine_tune_is_imported_while_a_version_of_it_is_not_retired() -> None:
    adapter = "sagemaker:training-job/capitals-ft-1"
    versions = [version(1, adapter="s3://bucket/other"), version(2, adapter=adapter)]
    assert imported_version(record(), versions) == 2
    assert imported_version(record("capitals-ft-1-2"), versions) is None
    assert imported_version(record(), [version(2, adapter=adapter, retired_at="2026-11-28")]) is None
