"""Between the bytes of a file and torch's tensors."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save

from include.checkpoint.files.arrays import count_changed, dtype_of, from_bytes, is_finite, to_bytes


@pytest.mark.parametrize("shape", [(3, 5), (7,), (), (0, 4)], ids=str)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("F64", torch.float64),
        ("F32", torch.float32),
        ("F16", torch.float16),
        ("BF16", torch.bfloat16),
        ("I64", torch.int64),
        ("I8", torch.int8),
        ("U8", torch.uint8),
        ("BOOL", torch.bool),
    ],
)
def test_the_bytes_are_those_of_safetensors(name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape).to(dtype)
    saved = save({"t": tensor})
    data = saved[len(saved) - tensor.nbytes :]

    assert dtype_of(tensor) == name
    assert bytes(to_bytes(tensor)) == data
    assert torch.equal(from_bytes(data, name, shape), tensor)


def test_a_view_of_other_strides_is_written_in_its_own_order() -> None:
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    assert bytes(to_bytes(tensor.T)) == bytes(to_bytes(tensor.T.contiguous()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_finite_means_finite(dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, -0.0, 1.0, -3.0, torch.finfo(dtype).max, torch.finfo(dtype).min], dtype=dtype)
    assert is_finite(values)
    assert is_finite(values[:0])
    for bad in (float("inf"), float("-inf"), float("nan")):
        for place in (0, 3, 1000):
            long = values.repeat(200)
            long[place] = bad
            assert not is_finite(long)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_changed_values_are_counted(dtype: torch.dtype) -> None:
    before = torch.randn(7, 9).to(dtype)
    after = before.clone()
    assert count_changed(before, after) == 0
    after[2:4, 3] += 1
    assert count_changed(before, after) == 2
