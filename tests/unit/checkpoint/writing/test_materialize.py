"""An ordinary folder from a Checkpoint: the same bytes, all of them or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from include.checkpoint import errors
from include.checkpoint.__main__ import main
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.writing.disk import DISK_MARGIN
from include.checkpoint.writing.materialize import materialize


def _failing_with(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [None, errno.EXDEV, errno.EOPNOTSUPP], ids=["same", "another", "one that cannot"])
def test_a_folder_is_copied_to_whatever_file_system(
    number: int | None, base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if number is not None:
        monkeypatch.setattr(os, "copy_file_range", _failing_with(number), raising=False)
    base = checkpoint_of_folder(base_dir)

    materialize(base, tmp_path / "out")

    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written == {name: (base_dir / name).read_bytes() for name in base.names()}


def test_a_disk_that_fills_up_meanwhile_is_named_and_nothing_is_left(
    base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", _failing_with(errno.ENOSPC), raising=False)

    with pytest.raises(errors.DiskFullError):
        materialize(checkpoint_of_folder(base_dir), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_fit_is_refused_before_the_merge(
    base_dir: Path,
    adapter_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    free = DISK_MARGIN + checkpoint_of_folder(base_dir).size - 1
    monkeypatch.setattr("include.checkpoint.writing.disk._free", lambda folder: free)
    out = tmp_path / "out"

    assert main(["merge", "--base", str(base_dir), "--adapter", str(adapter_dir), "--out", str(out)]) == 2

    assert f"{tmp_path}" in (said := capsys.readouterr().out)
    assert "DiskFullError" in said
    assert list(tmp_path.iterdir()) == []
