from __future__ import annotations

from datetime import UTC, datetime

from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment
from include.delivery.manifest import DeliveredFile, Manifest
from include.delivery.relocation import relocate

BASE, ADAPTED = "/models/base.safetensors", "/work/merge.overlay"
PIN = Pin(uri=BASE, size=1000, version="1")
OBJECT = "s3://bucket/v1/model.safetensors"


def segment(uri: str, offset: int, length: int, crc: int | None = None) -> Segment:
    return Segment(uri=uri, offset=offset, length=length, crc64nvme=crc)


def earlier(*segments: Segment, pin: Pin = PIN) -> Manifest:
    size = sum(it.length for it in segments)
    file = DeliveredFile(name="model.safetensors", size=size, crc64nvme="", etag="e1", segments=segments)
    return Manifest(
        fingerprint="",
        s3_uri="s3://bucket/v1/",
        files=(file,),
        pins=(pin,),
        notes=(),
        sha256={},
        proof=None,
        created_at=datetime.now(UTC),
        versions={},
    )


def checkpoint(*segments: Segment) -> Checkpoint:
    return Checkpoint(files=(CheckpointFile(name="model.safetensors", segments=segments),), pins=(PIN,))


def segments_of(relocated: Checkpoint) -> tuple[Segment, ...]:
    return relocated.file("model.safetensors").segments


def test_a_range_of_the_same_source_that_was_delivered_before_is_taken_from_there() -> None:
    manifest = earlier(segment(ADAPTED, 0, 100), segment(BASE, 200, 500))
    relocated = relocate(checkpoint(segment(BASE, 300, 50), segment(ADAPTED, 0, 90)), [manifest])
    assert segments_of(relocated) == (segment(OBJECT, 200, 50), segment(ADAPTED, 0, 90))
    assert relocated.pins == (PIN, Pin(uri=OBJECT, size=600, version="e1"))


def test_bytes_of_the_same_checksum_and_length_are_taken_whatever_file_they_came_from() -> None:
    manifest = earlier(segment("/elsewhere/base", 0, 100, 7), segment("/elsewhere/base", 100, 100, 8))
    relocated = relocate(checkpoint(segment(BASE, 0, 100, 8), segment(BASE, 100, 99, 7)), [manifest])
    assert segments_of(relocated) == (segment(OBJECT, 100, 100, 8), segment(BASE, 100, 99, 7))


def test_a_source_that_changed_since_is_sent_again() -> None:
    manifest = earlier(segment(BASE, 0, 1000), pin=Pin(uri=BASE, size=1000, version="0"))
    unchanged = checkpoint(segment(BASE, 0, 1000))
    assert relocate(unchanged, [manifest]) == unchanged


def test_a_range_that_was_delivered_in_part_is_sent_again() -> None:
    unchanged = checkpoint(segment(BASE, 0, 1000))
    assert relocate(unchanged, [earlier(segment(BASE, 0, 999))]) == unchanged
