"""Torch's library by itself computes what torch computes, and a merge does without the import."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from include.checkpoint.files.arrays import Array
from include.checkpoint.lora import torch_kernels
from include.checkpoint.lora.torch_kernels import ImportedKernels, LibraryKernels, TorchKernels, one_torch_thread

MERGE_AND_CAST = """
import sys
from pathlib import Path
from include.checkpoint.casting import cast
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.merging import merge
base, adapter, work = map(Path, sys.argv[1:])
merged = merge(checkpoint_of_folder(base), adapter, work).checkpoint
cast(merged, work, "float16")
assert "torch" not in sys.modules, "torch was imported"
import torch
assert torch.equal(torch.ones(2, 2) @ torch.ones(2, 2), torch.full((2, 2), 2.0))  # it still works afterwards
"""
SPECIAL = [0.0, -0.0, 1e-42, -1e-42, 65519.0, 65520.0, 1e6, 3.38e38, 3.4e38, float("inf"), float("-inf"), float("nan")]


@pytest.fixture(params=[LibraryKernels, ImportedKernels])
def kernels(request: pytest.FixtureRequest) -> TorchKernels:
    made: TorchKernels = request.param()
    return made


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("rank", [1, 16, 64, 300])
def test_products_have_torchs_bits(rank: int, strided: bool, kernels: TorchKernels) -> None:
    torch.manual_seed(rank)
    left, right = torch.randn(320, rank), torch.randn(rank, 1024)
    if strided:
        left, right = torch.randn(rank, 320).T, torch.randn(rank, 2048)[:, 100:1124]
    out = Array.empty("F32", (320, 2048))[:, :1024]

    kernels.multiply(Array("F32", left.numpy()), Array("F32", right.numpy()), out)

    assert np.array_equal(out.bits(), (left @ right).numpy().view(np.uint32))


@pytest.mark.parametrize(("source", "target"), list(product(["F32", "F16", "BF16"], repeat=2)))
def test_conversions_have_torchs_bits(source: str, target: str, kernels: TorchKernels) -> None:
    torch.manual_seed(0)
    values = torch.cat([torch.tensor(SPECIAL), torch.randn(1000) * 10.0 ** torch.randint(-30, 30, (1000,))])
    given = Array.from_torch(values.to(Array.empty(source, (0,)).to_torch().dtype))
    wanted = given.to_torch().to(Array.empty(target, (0,)).to_torch().dtype)

    out = Array.empty(target, given.shape)
    kernels.convert(given, out)

    assert np.array_equal(out.bits(), Array.from_torch(wanted).bits())


def test_float64_holds_every_value_exactly() -> None:
    values = torch.tensor(SPECIAL[:-1])
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        array = Array.from_torch(values.to(dtype))
        assert np.array_equal(array.float64(), values.to(dtype).double().numpy())


def test_one_thread_is_torchs_own_setting(kernels: TorchKernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_kernels, "kernels", lambda: kernels)
    before = torch.get_num_threads()
    with one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_torch_is_imported_where_its_library_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_kernels.kernels.cache_clear()
    monkeypatch.setattr(torch_kernels, "_SET_THREADS", "a function that is not there")
    assert isinstance(torch_kernels.kernels(), ImportedKernels)
    torch_kernels.kernels.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="the library has another name elsewhere, and torch is imported")
def test_a_merge_and_a_cast_do_not_import_torch(base_dir: Path, adapter_dir: Path, tmp_path: Path) -> None:
    arguments = [str(base_dir), str(adapter_dir), str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", MERGE_AND_CAST, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
