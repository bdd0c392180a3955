"""A file is the same whichever way its pieces went to the disk."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from include.checkpoint.appending import ALIGNMENT, DIRECT_BYTES, AppendedFile


def _pages(size: int) -> memoryview:
    memory = memoryview(mmap.mmap(-1, size))
    memory[:] = os.urandom(size)
    return memory


PIECES = {
    "large and aligned": [_pages(DIRECT_BYTES), _pages(2 * DIRECT_BYTES)],
    "small": [memoryview(b"header"), memoryview(b"")],
    "large after small": [memoryview(b"header"), _pages(DIRECT_BYTES)],
    "large with an odd length": [_pages(DIRECT_BYTES + 1), _pages(DIRECT_BYTES)],
    "large at an odd address": [_pages(DIRECT_BYTES + ALIGNMENT)[1 : DIRECT_BYTES + 1], _pages(DIRECT_BYTES)],
    "read-only": [memoryview(os.urandom(DIRECT_BYTES))],
    "of both kinds": [_pages(DIRECT_BYTES), memoryview(b"x" * ALIGNMENT), _pages(DIRECT_BYTES), memoryview(b"end")],
}


@pytest.fixture(params=["direct", "no direct writing here", "direct writing fails"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no direct writing here":
        monkeypatch.delattr(os, "O_DIRECT", raising=False)
    if request.param == "direct writing fails":
        monkeypatch.setattr("include.checkpoint.appending._is_aligned", lambda piece, offset: True)
    return str(request.param)


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("expected_size", [0, 100 * 2**20], ids=["unknown size", "too much laid out"])
def test_what_is_appended_is_in_the_file(
    pieces: list[memoryview], expected_size: int, system: str, tmp_path: Path
) -> None:
    wanted = b"".join(pieces)
    file = AppendedFile(tmp_path / "file", expected_size, direct=True)
    for piece in pieces:
        file.append(piece)
    assert file.read(0, len(wanted)) == wanted
    file.cut()
    file.close()

    assert (tmp_path / "file").read_bytes() == wanted
