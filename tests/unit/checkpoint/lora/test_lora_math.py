"""The blocks of a merge have the bits of the whole, whatever the shape and the number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from include.checkpoint.lora.lora_math import LinearDelta, row_blocks
from include.checkpoint.lora.merge_plan import TensorChange
from include.checkpoint.lora.tensor_changes import ChangedTensor
from include.checkpoint.lora.tensor_writer import one_torch_thread

SHAPES = [
    (1, 64),
    (5, 4096),
    (8, 4096),
    (129, 4096),
    (4097, 333),
    (1024, 14336),
    (192, 11009),
    (4099, 1001),
    (32001, 64),
]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(("rank", "scaling"), [(1, 1.7), (8, 2.0), (64, -0.25)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blocks_have_the_bits_of_the_whole(shape: tuple[int, int], rank: int, scaling: float, threads: int) -> None:
    torch.manual_seed(rank)
    base = torch.randn(shape).bfloat16()
    lora_a, lora_b = torch.randn(rank, shape[1]), torch.randn(shape[0], rank)
    wanted = base.clone()
    wanted += (lora_b @ lora_a) * scaling
    delta = LinearDelta(lora_a, lora_b, scaling)
    change = TensorChange("w", "linear", "m", "w", "BF16", shape)
    tensor = ChangedTensor(change, delta, lambda start, rows: base[start : start + rows])

    with one_torch_thread():
        merges = [tensor.merge(start, rows) for start, rows in row_blocks(shape)]

    merged = torch.cat([block for block, _ in merges])
    if threads == 1 or len(merges) > 1:
        assert torch.equal(merged, wanted)
    else:  # of a few rows, torch shares the sums among its threads: one rounding of the stored dtype
        torch.testing.assert_close(merged, wanted, rtol=2**-7, atol=1e-5)
    assert sum(changed for _, changed in merges) == int((wanted != base).sum())
    assert torch.get_num_threads() == threads


def test_blocks_cover_every_row_once_and_the_last_is_never_a_sliver() -> None:
    for shape in [*SHAPES, (151936, 896), (50257, 768)]:
        blocks = list(row_blocks(shape))
        assert [start for start, _ in blocks] == [sum(rows for _, rows in blocks[:i]) for i in range(len(blocks))]
        assert sum(rows for _, rows in blocks) == shape[0]
        assert len(blocks) == 1 or min(rows for _, rows in blocks) >= 64
