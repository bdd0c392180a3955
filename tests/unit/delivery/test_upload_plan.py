from __future__ import annotations

import pickle

import pytest

from include.aws.errors import S3RequestError
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment
from include.delivery.errors import DeliveryDiffersError, DeliveryIncompleteError, StaleObjectsError
from include.delivery.upload_plan import RemoteObject, UploadPlan, plan_upload, recipe_of
from include.delivery.verification import check_delivery

MIB = 2**20
LOCAL = "/models/model.safetensors"


def checkpoint(*names: str, version: str = "1") -> Checkpoint:
    files = tuple(CheckpointFile(name=it, segments=(Segment(uri=LOCAL, offset=0, length=9),)) for it in names)
    return Checkpoint(files=files, pins=(Pin(uri=LOCAL, size=9, version=version),))


def plan(wanted: Checkpoint, *remote: RemoteObject, **checksums: int) -> UploadPlan:
    return plan_upload(wanted, remote, 8 * MIB, checksums)


def test_what_is_not_there_is_sent_and_what_does_not_belong_there_is_named() -> None:
    planned = plan(checkpoint("a", "b"), RemoteObject("stale", 1, "e"))
    assert [(file.name, file.replaces) for file in planned.files] == [("a", None), ("b", None)]
    assert (planned.reused, planned.extra) == ((), ("stale",))


@pytest.mark.parametrize(
    ("size", "crc64nvme", "reused"), [(9, 7, True), (8, 7, False), (9, 8, False), (9, None, False)]
)
def test_an_object_is_used_again_when_size_and_checksum_are_the_files(
    size: int, crc64nvme: int | None, reused: bool
) -> None:
    found = RemoteObject("a", size, "e", crc64nvme)
    planned = plan(checkpoint("a"), found, a=7)
    assert planned.reused == ((found,) if reused else ())
    assert [file.replaces for file in planned.files] == ([] if reused else ["e"])


@pytest.mark.parametrize(("version", "reused"), [("1", True), ("2", False)])
def test_where_no_checksum_is_known_before_an_object_made_of_the_same_pinned_ranges_is_used_again(
    version: str, reused: bool
) -> None:
    wanted = checkpoint("a", version=version)
    found = RemoteObject("a", 9, "e", 7, recipe_of(checkpoint("a").file("a"), checkpoint("a")))
    assert bool(plan(wanted, found).reused) is reused


A, B = RemoteObject("a", 1, "ea"), RemoteObject("b", 2, "eb")


def test_a_delivery_that_is_as_it_should_be_passes() -> None:
    check_delivery("s3://bucket/p/", [A, B], [B, A])


@pytest.mark.parametrize(
    ("listed", "error", "names"),
    [
        ([A], DeliveryIncompleteError, "b"),
        ([A, B, RemoteObject("c", 1, "e")], StaleObjectsError, "c"),
        ([A, RemoteObject("b", 3, "eb")], DeliveryDiffersError, "s3://bucket/p/b"),
        ([A, RemoteObject("b", 2, "other")], DeliveryDiffersError, "s3://bucket/p/b"),
    ],
)
def test_missing_extra_and_differing_objects_are_named(
    listed: list[RemoteObject], error: type[Exception], names: str
) -> None:
    with pytest.raises(error, match=names):
        check_delivery("s3://bucket/p/", [A, B], listed)


def test_errors_reach_another_process_as_they_are() -> None:
    error = S3RequestError("s3://b/k", "upload_part", "SlowDown", "too fast", "Run later.")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code) == (str(error), "SlowDown")
