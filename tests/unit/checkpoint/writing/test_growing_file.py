"""A file holds what was written into it, in whatever order."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from include.checkpoint.files.atomic import WriteBack
from include.checkpoint.writing.growing_file import GrowingFile


@pytest.fixture(params=["system that writes back", "system that does not"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WriteBack, "STEP", 4096)
    monkeypatch.setattr(WriteBack, "LAG", 2 * 4096)
    if request.param == "system that does not":
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("expected_size", [0, 2**20], ids=["unknown size", "too much laid out"])
def test_what_was_written_out_of_order_is_there(expected_size: int, tmp_path: Path) -> None:
    pieces = [os.urandom(size) for size in (4096, 1, 0, 100_000, 4095)]
    offsets = [sum(map(len, pieces[:number])) for number in range(len(pieces))]
    with closing(GrowingFile(tmp_path / "file", expected_size, durable=True)) as file:
        for offset, piece in reversed(list(zip(offsets, pieces, strict=True))):
            file.write(offset, memoryview(piece))
        assert [file.read(o, len(p)) for o, p in zip(offsets, pieces, strict=True)] == pieces
        file.cut(sum(map(len, pieces)))

    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_the_disk_is_told_of_every_byte_whatever_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(WriteBack, "STEP", 10)
    monkeypatch.setattr(WriteBack, "LAG", 4)
    monkeypatch.setattr(os, "posix_fadvise", lambda file, start, length, advice: told.append((start, start + length)))
    with closing(GrowingFile(tmp_path / "file", 100, durable=True)) as file:
        for offset in (90, 0, 10, 20, 15):
            file.write(offset, memoryview(b"12345"))
    assert told == [(0, 95), (6, 95)]


def test_a_file_that_is_begun_keeps_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    with closing(GrowingFile(tmp_path / "file", 6, durable=True, begun=True)) as file:
        file.write(2, memoryview(b"XY"))
    assert (tmp_path / "file").read_bytes() == b"abXYef"
    with closing(GrowingFile(tmp_path / "file", 3, durable=True)) as file:
        file.write(0, memoryview(b"new"))
    assert (tmp_path / "file").read_bytes() == b"new"
