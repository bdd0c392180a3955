"""The arithmetic of a merge, block by block of rows, equal to peft's ``merge_and_unload()`` on the same machine.

delta = (B_f32 @ A_f32) * scaling, W' = dtype(f32(W) + delta): one rounding. torch's matmul decides the last bits, and a
block of a multiple of 64 rows gives the same bits as the whole.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Twice as many would be a tenth faster, and take a merge out of S3 past 300 MB.
BLOCK_ELEMENTS = 2**19
BLOCK_ROWS = 64
TILE_COLUMNS = 2048
_SIGNED = {2: torch.int16, 4: torch.int32, 8: torch.int64}
_INFINITY = {
    torch.bfloat16: 0x7F80,
    torch.float16: 0x7C00,
    torch.float32: 0x7F800000,
    torch.float64: 0x7FF0000000000000,
}

# Rows of the base tensor, the first one's number → the same rows merged, into the last argument, in its dtype.
BlockChange = Callable[[torch.Tensor, int, torch.Tensor], None]
_scratch = threading.local()


@dataclass(frozen=True)
class LinearDelta:
    """LoRA on a linear layer: A is (r, in), B is (out, r)."""

    lora_a: torch.Tensor
    lora_b: torch.Tensor
    scaling: float

    @classmethod
    def of(cls, lora_a: torch.Tensor, lora_b: torch.Tensor, scaling: float) -> LinearDelta:
        """The delta; a scaling that is a power of two goes into B, which changes no bits of the product."""
        if abs(math.frexp(scaling)[0]) == 0.5:
            return cls(lora_a, lora_b * scaling, 1.0)
        return cls(lora_a, lora_b, scaling)

    def merged(self, base: torch.Tensor, start: int, columns: slice = slice(None)) -> torch.Tensor:
        """Base + delta in float32 of these columns, in this thread's scratch memory."""
        base, lora_a = base[:, columns], self.lora_a[:, columns]
        merged, widened = _scratch_of(base.shape)
        torch.mm(self.lora_b[start : start + base.shape[0]], lora_a, out=merged)
        if self.scaling != 1.0:
            merged.mul_(self.scaling)
        return merged.add_(widened.copy_(base))  # Two passes of one dtype each: faster than one of both.

    def __call__(self, base: torch.Tensor, start: int, out: torch.Tensor) -> None:
        for columns in column_tiles(base.shape[1]):
            out[:, columns].copy_(self.merged(base, start, columns))


@dataclass(frozen=True)
class DoraDelta:
    """DoRA on a linear layer: the merged rows are scaled to the trained magnitude (https://arxiv.org/abs/2402.09353)."""

    linear: LinearDelta
    magnitude: torch.Tensor

    def __call__(self, base: torch.Tensor, start: int, out: torch.Tensor) -> None:
        merged = self.linear.merged(base, start)
        factor: torch.Tensor = self.magnitude[start : start + base.shape[0]] / torch.linalg.norm(merged, dim=1)
        out.copy_(merged.mul_(factor.view(-1, 1)))


@dataclass(frozen=True)
class EmbeddingDelta:
    """LoRA on an embedding: A is (r, vocabulary), B is (dimension, r). peft rounds the delta first here."""

    lora_a: torch.Tensor
    lora_b: torch.Tensor
    scaling: float

    def __call__(self, base: torch.Tensor, start: int, out: torch.Tensor) -> None:
        delta = (self.lora_b @ self.lora_a[:, start : start + base.shape[0]]).T * self.scaling
        torch.add(base, delta.to(base.dtype), out=out)


@dataclass(frozen=True)
class BiasDelta:
    """The bias of ``lora_B`` added to the layer's own."""

    bias: torch.Tensor
    scaling: float

    def __call__(self, base: torch.Tensor, start: int, out: torch.Tensor) -> None:
        out.copy_(base.float() + self.bias[start : start + base.shape[0]] * self.scaling)


@dataclass(frozen=True)
class Replacement:
    """A tensor that was trained whole; it takes the base's dtype."""

    tensor: torch.Tensor

    def __call__(self, base: torch.Tensor, start: int, out: torch.Tensor) -> None:
        out.copy_(self.tensor[start : start + base.shape[0]])


def _scratch_of(shape: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    # Fresh memory for each block would cost more than the product itself.
    elements = shape.numel()
    if not hasattr(_scratch, "memory") or _scratch.memory.shape[1] < elements:
        _scratch.memory = torch.empty(2, elements)
    first, second = _scratch.memory[:, :elements]
    return first.view(shape), second.view(shape)


def column_tiles(columns: int) -> Iterator[slice]:
    """The columns in tiles narrow enough for a core's cache, the last one with what is left."""
    for start, width in _cut(columns, TILE_COLUMNS):
        yield slice(start, start + width)


def row_blocks(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(first row, rows) of blocks that fit a core's cache.

    What is left at the end goes to the last block: for a few rows torch takes another kernel, with other last bits.
    """
    row_elements = shape[1] if len(shape) > 1 else 1
    step = max(BLOCK_ELEMENTS // max(row_elements, 1) // BLOCK_ROWS, 1) * BLOCK_ROWS
    yield from _cut(shape[0], step)


def _cut(length: int, step: int) -> Iterator[tuple[int, int]]:
    """(start, size) of pieces of ``step``; the last one takes what is left, so it is never a sliver."""
    start = 0
    while start < length:
        size = step if length - start >= 2 * step else length - start
        yield start, size
        start += size


def bits(tensor: torch.Tensor) -> NDArray[np.unsignedinteger[Any]]:
    """The tensor's values as unsigned integers of their width, without a copy; numpy compares these fastest."""
    width = tensor.element_size()
    unsigned: NDArray[np.unsignedinteger[Any]] = tensor.contiguous().view(_SIGNED[width]).numpy().view(f"u{width}")
    return unsigned


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether no value is NaN or infinite: their exponent bits are all set."""
    if not tensor.numel():
        return True
    values = bits(tensor)
    infinity = values.dtype.type(_INFINITY[tensor.dtype])
    sign = values.dtype.type(1 << (8 * tensor.element_size() - 1))
    return bool((values & ~sign).max() < infinity)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch computes in the calling thread; blocks are spread over threads of ours, which do not spin while waiting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
