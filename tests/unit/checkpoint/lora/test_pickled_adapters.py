"""adapter_model.bin: read where it is a plain set of tensors, refused with its own error where it is not."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from include.checkpoint.files.defects import GitLfsPointerError
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.errors import AdapterUnreadableError
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import equal_bits, load_weights, merged_by_peft

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def pickled(adapter_dir: Path, tmp_path: Path) -> Callable[[Any], Path]:
    """Writes adapter_model.bin in place of the safetensors file; the argument makes it of tensors and path."""

    def write(save: Callable[[Tensors, Path], None]) -> Path:
        folder = Path(shutil.copytree(adapter_dir, tmp_path / "pickled"))
        save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
        (folder / "adapter_model.safetensors").unlink()
        return folder

    return write


def test_a_pickled_adapter_in_torchs_older_format_is_merged(
    pickled: Callable[[Any], Path], base_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    adapter = pickled(lambda tensors, path: torch.save(tensors, path, _use_new_zipfile_serialization=False))

    result = merge(checkpoint_of_folder(base_dir), adapter, tmp_path / "overlay")
    materialize(result.checkpoint, tmp_path / "ours")

    assert equal_bits(load_weights(tmp_path / "ours"), merged_by_peft(base_dir, adapter_dir, tmp_path / "theirs"))


def _cut_off(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[:-700])


@pytest.mark.parametrize(
    "save",
    [
        _cut_off,
        lambda tensors, path: torch.save({**tensors, "args": argparse.Namespace(lr=1e-4)}, path),
        lambda tensors, path: torch.save({"state_dict": tensors, "epoch": 3}, path),
        lambda tensors, path: torch.save(list(tensors.values()), path),
    ],
    ids=["cut off", "a namespace", "a whole checkpoint", "a list"],
)
def test_a_pickled_adapter_that_is_no_set_of_tensors_is_refused(
    save: Callable[[Tensors, Path], None], pickled: Callable[[Any], Path], base_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(AdapterUnreadableError, match=r"adapter_model\.bin"):
        merge(checkpoint_of_folder(base_dir), pickled(save), tmp_path / "overlay")


def test_a_git_lfs_pointer_in_place_of_an_adapter_is_named(
    pickled: Callable[[Any], Path], base_dir: Path, tmp_path: Path
) -> None:
    adapter = pickled(lambda _, path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"))
    with pytest.raises(GitLfsPointerError, match=r"adapter_model\.bin"):
        merge(checkpoint_of_folder(base_dir), adapter, tmp_path / "overlay")
