"""Convert between the bytes of a safetensors file and torch tensors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

# The tensors of ``from_bytes`` are only read.
warnings.filterwarnings("ignore", "The given NumPy array is not writable")

FLOAT_DTYPES = ("F64", "F32", "F16", "BF16")
TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
TORCH_NAMES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}
# Each format's bits, and those of the exponent, which NaN and infinity have all of.
_EXPONENTS = {
    "F64": ("<u8", 0x7FF << 52),
    "F32": ("<u4", 0xFF << 23),
    "F16": ("<u2", 0x1F << 10),
    "BF16": ("<u2", 0xFF << 7),
}


def torch_dtype(dtype: str) -> torch.dtype:
    """Return torch's dtype for one of safetensors that TORCH_NAMES has."""
    import torch  # Takes seconds, and most commands compute nothing.

    found: torch.dtype = getattr(torch, TORCH_NAMES[dtype])
    return found


def dtype_of(tensor: torch.Tensor) -> str:
    """Return safetensors' name of a tensor's dtype; torch's own for those that TORCH_NAMES lacks."""
    of_torch = str(tensor.dtype).removeprefix("torch.")
    return next((name for name, known in TORCH_NAMES.items() if known == of_torch), of_torch)


def from_bytes(data: bytes, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the values that ``data`` holds, without a copy; they must not be written to."""
    import torch

    return torch.from_numpy(np.frombuffer(data, np.uint8)).view(torch_dtype(dtype)).reshape(shape)


def to_bytes(tensor: torch.Tensor) -> memoryview:
    """Return the values as bytes of a file, without a copy if they are contiguous."""
    import torch

    # A tensor of no dimension cannot be seen as another dtype.
    data: memoryview = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
    return data


def is_finite(tensor: torch.Tensor) -> bool:
    """Return whether no value is NaN or infinite; ``isfinite().all()`` takes 30 times as long."""
    return not tensor.numel() or all(bool(extreme.isfinite()) for extreme in tensor.aminmax())


def holds_finite(data: bytes, dtype: str) -> bool:
    """Return whether no value that ``data`` holds is NaN or infinite, without torch, whose import takes seconds."""
    bits, exponent = _EXPONENTS[dtype]
    return not bool((np.frombuffer(data, bits) & exponent == exponent).any())


def count_changed(before: torch.Tensor, after: torch.Tensor) -> int:
    """Return how many values of two tensors of one shape and dtype have other bits."""
    # numpy counts four times as fast as torch, but has no bfloat16.
    bits = [np.frombuffer(to_bytes(tensor), f"u{tensor.itemsize}") for tensor in (before, after)]
    return int(np.count_nonzero(bits[0] != bits[1]))
