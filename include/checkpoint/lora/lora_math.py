"""The arithmetic of a merge, block by block of rows, equal to peft's ``merge_and_unload()`` on the same machine.

delta = (B_f32 @ A_f32) * scaling, W' = dtype(f32(W) + delta): one rounding. torch's matmul decides the last bits, and a
block of a multiple of 64 rows gives the same bits as the whole.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from include.checkpoint.files.arrays import Array
from include.checkpoint.lora.torch_kernels import convert, converted, multiply

BLOCK_ELEMENTS = 2**20
# A tile of fewer rows costs more for laying out A for the product than for the product.
BLOCK_ROWS = 256
TILE_COLUMNS = 2048

# Rows of the base tensor, the first one's number → the same rows merged, into the last argument, in its dtype.
BlockChange = Callable[[Array, int, Array], None]
_scratch = threading.local()


@dataclass(frozen=True)
class LinearDelta:
    """LoRA on a linear layer: A is (r, in), B is (out, r), both float32."""

    lora_a: Array
    lora_b: Array
    scaling: float

    @classmethod
    def of(cls, lora_a: Array, lora_b: Array, scaling: float) -> LinearDelta:
        """The delta; a scaling that is a power of two goes into B, which changes no bits of the product."""
        if abs(math.frexp(scaling)[0]) == 0.5:
            return cls(lora_a, Array("F32", lora_b.values * np.float32(scaling)), 1.0)
        return cls(lora_a, lora_b, scaling)

    def merged(self, base: Array, start: int, columns: slice = slice(None)) -> Array:
        """Base + delta in float32 of these columns, in this thread's scratch memory."""
        base = base[:, columns]
        merged, widened = _scratch_of(base.shape)
        multiply(self.lora_b[start : start + base.shape[0]], self.lora_a[:, columns], merged)
        if self.scaling != 1.0:
            np.multiply(merged.values, np.float32(self.scaling), out=merged.values)
        convert(base, widened)
        np.add(merged.values, widened.values, out=merged.values)
        return merged

    def __call__(self, base: Array, start: int, out: Array) -> None:
        for columns in column_tiles(base.shape[1]):
            convert(self.merged(base, start, columns), out[:, columns])


@dataclass(frozen=True)
class DoraDelta:
    """DoRA on a linear layer: the merged rows are scaled to the trained magnitude (https://arxiv.org/abs/2402.09353)."""

    linear: LinearDelta
    magnitude: Array

    def __call__(self, base: Array, start: int, out: Array) -> None:
        import torch  # The last bits of a norm depend on the order of its sum, so it is torch's.

        merged = self.linear.merged(base, start).to_torch()
        magnitude = self.magnitude[start : start + base.shape[0]].to_torch()
        factor: torch.Tensor = magnitude / torch.linalg.norm(merged, dim=1)
        out.to_torch().copy_(merged.mul_(factor.view(-1, 1)))


@dataclass(frozen=True)
class EmbeddingDelta:
    """LoRA on an embedding: A is (r, vocabulary), B is (dimension, r). peft rounds the delta first here."""

    lora_a: Array
    lora_b: Array
    scaling: float

    def __call__(self, base: Array, start: int, out: Array) -> None:
        rows, dimension = base.shape
        product = Array.empty("F32", (dimension, rows))
        multiply(self.lora_b, self.lora_a[:, start : start + rows], product)
        np.multiply(product.values, np.float32(self.scaling), out=product.values)
        delta = converted(Array("F32", product.values.T), base.dtype)
        total = converted(base, "F32").values + converted(delta, "F32").values
        convert(Array("F32", total), out)


@dataclass(frozen=True)
class BiasDelta:
    """The bias of ``lora_B`` added to the layer's own."""

    bias: Array
    scaling: float

    def __call__(self, base: Array, start: int, out: Array) -> None:
        delta = self.bias.values[start : start + base.shape[0]] * np.float32(self.scaling)
        convert(Array("F32", converted(base, "F32").values + delta), out)


@dataclass(frozen=True)
class Replacement:
    """A tensor that was trained whole; it takes the base's dtype."""

    tensor: Array

    def __call__(self, base: Array, start: int, out: Array) -> None:
        convert(self.tensor[start : start + base.shape[0]], out)


@dataclass(frozen=True)
class TokenRows:
    """Single rows that were trained; the others stay as they are."""

    indices: tuple[int, ...]
    trained: Array

    def __call__(self, base: Array, start: int, out: Array) -> None:
        convert(base, out)
        for place, index in enumerate(self.indices):
            row = index - start
            if 0 <= row < base.shape[0]:
                convert(self.trained[place : place + 1], out[row : row + 1])


def _scratch_of(shape: tuple[int, ...]) -> tuple[Array, Array]:
    # Fresh memory for each block would cost more than the product itself.
    elements = math.prod(shape)
    if not hasattr(_scratch, "memory") or _scratch.memory.shape[1] < elements:
        _scratch.memory = Array.empty("F32", (2, elements))
    first, second = _scratch.memory.values[:, :elements]
    return Array("F32", first.reshape(shape)), Array("F32", second.reshape(shape))


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
