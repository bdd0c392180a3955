"""The arithmetic of a merge, block by block of rows, as in peft's ``merge_and_unload()``.

delta = (B_f32 @ A_f32) * scaling, W' = dtype(f32(W) + delta): one rounding. torch's matmul decides the last bits, and a
block of a multiple of 64 rows gives the same bits as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

BLOCK_ELEMENTS = 2**20
# A block of fewer rows costs more for laying out A for the product than for the product.
BLOCK_ROWS = 256
TILE_COLUMNS = 2048

# Rows of the base tensor, the first one's number → the same rows merged, in any float dtype.
BlockChange = Callable[[torch.Tensor, int], torch.Tensor]


@dataclass(frozen=True)
class LinearDelta:
    """LoRA on a linear layer: A is (r, in), B is (out, r), both float32."""

    lora_a: torch.Tensor
    lora_b: torch.Tensor
    scaling: float

    def __call__(self, base: torch.Tensor, start: int) -> torch.Tensor:
        merged = torch.empty_like(base)
        for tile in range(0, base.shape[1], TILE_COLUMNS):
            columns = slice(tile, tile + TILE_COLUMNS)
            merged[:, columns] = self.float32(base[:, columns], start, columns)
        return merged

    def float32(self, base: torch.Tensor, start: int, columns: slice = slice(None)) -> torch.Tensor:
        """Return base + delta of these columns in float32, before rounding."""
        delta = self.lora_b[start : start + len(base)] @ self.lora_a[:, columns]
        return delta.mul_(self.scaling).add_(base)


@dataclass(frozen=True)
class DoraDelta:
    """DoRA on a linear layer: the merged rows are scaled to the trained magnitude (https://arxiv.org/abs/2402.09353)."""

    linear: LinearDelta
    magnitude: torch.Tensor

    def __call__(self, base: torch.Tensor, start: int) -> torch.Tensor:
        merged = self.linear.float32(base, start)
        factor = self.magnitude[start : start + len(base)] / torch.linalg.norm(merged, dim=1)
        return merged.mul_(factor.view(-1, 1))


@dataclass(frozen=True)
class EmbeddingDelta:
    """LoRA on an embedding: A is (r, vocabulary), B is (dimension, r). peft rounds the delta first here."""

    lora_a: torch.Tensor
    lora_b: torch.Tensor
    scaling: float

    def __call__(self, base: torch.Tensor, start: int) -> torch.Tensor:
        delta = (self.lora_b @ self.lora_a[:, start : start + len(base)]).mul_(self.scaling)
        return base + delta.T.to(base.dtype)


@dataclass(frozen=True)
class BiasDelta:
    """The bias of ``lora_B`` added to the layer's own."""

    bias: torch.Tensor
    scaling: float

    def __call__(self, base: torch.Tensor, start: int) -> torch.Tensor:
        return base + self.bias[start : start + len(base)] * self.scaling


@dataclass(frozen=True)
class Replacement:
    """A tensor that was trained whole; it takes the base's dtype."""

    tensor: torch.Tensor

    def __call__(self, base: torch.Tensor, start: int) -> torch.Tensor:
        return self.tensor[start : start + len(base)]


@dataclass(frozen=True)
class TokenRows:
    """Trained rows; the other rows stay unchanged."""

    indices: tuple[int, ...]
    trained: torch.Tensor

    def __call__(self, base: torch.Tensor, start: int) -> torch.Tensor:
        merged = base.clone()
        for place, index in enumerate(self.indices):
            if start <= index < start + len(base):
                merged[index - start] = self.trained[place]
        return merged


def row_blocks(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(first row, rows) of blocks that fit a core's cache.

    What is left at the end goes to the last block: for a few rows torch takes another kernel, with other last bits.
    """
    row_elements = shape[1] if len(shape) > 1 else 1
    step = max(BLOCK_ELEMENTS // max(row_elements, 1) // BLOCK_ROWS, 1) * BLOCK_ROWS
    start = 0
    while start < shape[0]:
        rows = step if shape[0] - start >= 2 * step else shape[0] - start
        yield start, rows
        start += rows
