from __future__ import annotations

from pathlib import Path

import pytest
import torch

from include.training.container.checkpoints import Checkpoint, last_checkpoint, write_checkpoint


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"weight/a": torch.full((50, 3), float(step))}, {"history": {"seconds": step / 3}})


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, checkpoint(3))
    found, damaged = last_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.state, damaged) == (3, {"history": {"seconds": 1.0}}, [])
    assert torch.equal(found.tensors["weight/a"], torch.full((50, 3), 3.0))


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 1234567890):
        write_checkpoint(tmp_path, checkpoint(step))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "step-000000010.safetensors",
        "step-1234567890.safetensors",
    ]


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "checkpoints") == (None, [])


@pytest.mark.parametrize("kept", [0, 7, 150, -1])
def test_a_file_that_was_cut_is_passed_over_for_the_one_before(tmp_path: Path, kept: int) -> None:
    write_checkpoint(tmp_path, checkpoint(1))
    path = write_checkpoint(tmp_path, checkpoint(2))
    path.write_bytes(path.read_bytes()[:kept])
    found, damaged = last_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    assert [line.partition(":")[0] for line in damaged] == [path.name]


def test_a_byte_that_changed_is_found(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, checkpoint(2))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found, [damaged] = last_checkpoint(tmp_path)
    assert found is None
    assert "digest" in damaged


def test_what_a_kill_left_unfinished_is_not_read_and_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path, checkpoint(1))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(tmp_path, checkpoint(2))
    assert len(list(tmp_path.iterdir())) == 2
    found, damaged = last_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, damaged, len(list(tmp_path.iterdir()))) == (1, [], 1)
