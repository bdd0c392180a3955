"""Between the bytes of a safetensors file and numpy's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

# How numpy holds each dtype of safetensors: as itself, or as the bits of what numpy does not know.
STORAGE: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(np.uint16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
    "F8_E4M3": np.dtype(np.uint8),
    "F8_E5M2": np.dtype(np.uint8),
}
# The exponent bits, which NaN and infinity have all set.
_INFINITY = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F800000, "F64": 0x7FF0000000000000}
FLOAT_DTYPES = ("F64", "F32", "F16", "BF16")
TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
TORCH_NAMES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}


@dataclass(frozen=True, slots=True)
class Array:
    """Values with their dtype by safetensors' name; ``values`` holds the bits of bfloat16, which numpy lacks."""

    dtype: str
    values: NDArray[Any]

    @classmethod
    def from_bytes(cls, data: bytes, dtype: str, shape: tuple[int, ...]) -> Array:
        """The values that ``data`` holds, without a copy."""
        return cls(dtype, np.frombuffer(data, STORAGE[dtype]).reshape(shape))

    @classmethod
    def empty(cls, dtype: str, shape: tuple[int, ...]) -> Array:
        """Room for values of this shape."""
        return cls(dtype, np.empty(shape, STORAGE[dtype]))

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> Array:
        """A tensor's values, without a copy where it is contiguous."""
        import torch

        dtype = dtype_of(tensor)
        tensor = tensor.detach().contiguous()
        return cls(dtype, (tensor.view(torch.int16) if dtype == "BF16" else tensor).numpy().view(STORAGE[dtype]))

    def to_torch(self) -> torch.Tensor:
        """The values as a tensor over the same memory."""
        import torch

        values = self.values.view(np.int16) if self.dtype == "BF16" else self.values
        tensor: torch.Tensor = torch.from_numpy(values)
        return tensor.view(getattr(torch, TORCH_NAMES[self.dtype]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as in the file."""
        return self.values.shape

    def __getitem__(self, place: Any) -> Array:
        return Array(self.dtype, self.values[place])

    def bits(self) -> NDArray[np.unsignedinteger[Any]]:
        """The values as unsigned integers of their width, without a copy; numpy compares these fastest."""
        return self.values.view(f"u{self.values.itemsize}")

    def is_finite(self) -> bool:
        """Whether no float value is NaN or infinite."""
        if not self.values.size:
            return True
        bits, infinity = self.bits(), _INFINITY[self.dtype]
        sign = 1 << (8 * bits.itemsize - 1)
        # Negative numbers are the largest bits, positive ones the largest of signed bits.
        return bool(bits.max() < sign + infinity and bits.view(f"i{bits.itemsize}").max() < infinity)

    def float64(self) -> NDArray[np.float64]:
        """The float values in float64, exact."""
        if self.dtype == "BF16":
            return (self.values.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        return self.values.astype(np.float64)

    def bytes(self) -> memoryview:
        """The values as they stand in a file, without a copy where they are contiguous."""
        return np.ascontiguousarray(self.values).reshape(-1).view(np.uint8).data


def dtype_of(tensor: torch.Tensor) -> str:
    """Return safetensors' name of a tensor's dtype; torch's own for those that an Array cannot hold."""
    of_torch = str(tensor.dtype).removeprefix("torch.")
    return next((name for name, known in TORCH_NAMES.items() if known == of_torch), of_torch)
