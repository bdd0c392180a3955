"""Files made of byte ranges: reading them, their CRCs, and sources that change."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from awscrt.checksums import crc64nvme
from hypothesis import given
from hypothesis import strategies as st

from include.checkpoint import errors
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import LOCAL, chunks, read, verify_pins
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment, slice_segments
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from include.checkpoint.writing.overlay import overlay


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    (tmp_path / "a").write_bytes(bytes(range(100)))
    (tmp_path / "b").write_bytes(bytes(range(100, 200)))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    return CheckpointFile(name="f", segments=(Segment(uri=a, offset=10, length=5), Segment(uri=b, offset=0, length=7)))


def test_a_file_reads_as_its_segments_one_after_the_other(file: CheckpointFile) -> None:
    whole = bytes([*range(10, 15), *range(100, 107)])

    assert read(file, 0, file.size) == whole
    assert [read(file, start, 3) for start in range(12)] == [whole[start : start + 3] for start in range(12)]
    assert b"".join(chunks(file, chunk_size=4)) == whole
    assert all(len(chunk) <= 4 for chunk in chunks(file, chunk_size=4))


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(0, 12), st.integers(0, 12))
def test_a_cut_has_the_bytes_of_its_range_whatever_the_segments(lengths: list[int], offset: int, length: int) -> None:
    segments = tuple(Segment(uri=str(n), offset=n, length=it, crc64nvme=1) for n, it in enumerate(lengths))
    each_byte = [(it.uri, it.offset + at) for it in segments for at in range(it.length)]

    cut = slice_segments(CheckpointFile("f", segments), offset, length)

    assert [(it.uri, it.offset + at) for it in cut for at in range(it.length)] == each_byte[offset : offset + length]
    assert all(it.length and (it.crc64nvme is None) is (it not in segments) for it in cut)


class _CountedSegments(tuple[Segment, ...]):
    looked_at = 0

    def __iter__(self) -> Iterator[Segment]:
        type(self).looked_at += len(self)
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        type(self).looked_at += 1
        return super().__getitem__(index)


def test_cutting_a_file_of_many_tensors_at_each_of_them_takes_time_in_proportion_to_their_number() -> None:
    tensors = 5_000
    segments = _CountedSegments(Segment(uri="s3://b/k", offset=n * 10, length=10) for n in range(tensors))
    file = CheckpointFile("model.safetensors", segments)

    cuts = [slice_segments(file, n * 10, 10) for n in range(file.size // 10)]

    assert cuts[-1] == (tuple(segments)[-1],)
    assert _CountedSegments.looked_at <= 5 * tensors


def test_a_range_past_the_end_of_its_source_is_an_error(tmp_path: Path, file: CheckpointFile) -> None:
    (tmp_path / "b").write_bytes(b"short")

    with pytest.raises(errors.SourceTruncatedError):
        read(file, 0, file.size)


def test_a_checkpoint_survives_its_json(base_dir: Path, tmp_path: Path) -> None:
    checkpoint = checkpoint_of_folder(base_dir)
    checkpoint.save(tmp_path / "checkpoint.json")

    assert Checkpoint.load(tmp_path / "checkpoint.json") == checkpoint
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.json"]


def test_a_changed_source_is_refused(own_base: Path, tmp_path: Path) -> None:
    checkpoint = checkpoint_of_folder(own_base)
    verify_pins(checkpoint)
    (own_base / "config.json").write_text("{}")

    with pytest.raises(errors.SourceChangedError) as raised:
        verify_pins(checkpoint)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), str(copy), copy.which) == (type(raised.value), str(raised.value), raised.value.which)
    with pytest.raises(errors.SourceChangedError):
        materialize(checkpoint, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_written_carries_its_crc(own_base: Path, adapter_dir: Path, tmp_path: Path) -> None:
    merged = merge(checkpoint_of_folder(own_base), adapter_dir, tmp_path / "overlay").checkpoint
    written = [s for file in merged.files for s in file.segments if s.uri.endswith(".overlay")]
    data = (tmp_path / "overlay" / "merge.overlay").read_bytes()

    assert sum(segment.length for segment in written) == len(data)
    assert all(crc64nvme(data[s.offset : s.offset + s.length]) == s.crc64nvme for s in written)


def test_an_overlay_that_fails_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with overlay(tmp_path / "x.overlay", 10) as out:
            out.append(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert [path.name for path in tmp_path.iterdir()] == ["x.overlay.lock"]


def test_two_writers_of_one_overlay_do_not_mix(tmp_path: Path) -> None:
    first, second = overlay(tmp_path / "x.overlay", 10), overlay(tmp_path / "x.overlay", 10)
    with first, pytest.raises(errors.OverlayInUseError), second:
        pass


def test_a_disk_that_fills_up_meanwhile_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("include.checkpoint.writing.overlay.lay_out_blocks", full)
    with pytest.raises(errors.DiskFullError), overlay(tmp_path / "x.overlay", 10):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["x.overlay.lock"]


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(errors.DiskFullError), overlay(tmp_path / "x.overlay", 2**60):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_s3_uri_needs_a_client(tmp_path: Path) -> None:
    with pytest.raises(errors.S3ClientMissingError):
        LOCAL.read("s3://bucket/key", 0, 1)
