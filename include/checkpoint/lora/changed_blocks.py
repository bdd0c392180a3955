"""The blocks of changed tensors: computed and written in threads, given out in order, in memory that is used again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from include.checkpoint.errors import NonFiniteError
from include.checkpoint.files.arrays import STORAGE, Array
from include.checkpoint.files.concurrency import in_order
from include.checkpoint.lora.lora_math import BlockChange
from include.checkpoint.lora.merge_plan import TensorChange
from include.checkpoint.lora.tensor_changes import RowReader
from include.checkpoint.writing.growing_file import Place
from include.checkpoint.writing.overlay import WrittenPiece, write_piece

MAX_THREADS = 4
BLOCKS_AHEAD = 3


class ChangedTensor:
    """A tensor on its way: how to compute its blocks, and how many of its elements have changed so far."""

    def __init__(self, change: TensorChange, apply: BlockChange, base: RowReader, place: Place) -> None:
        self.change, self.apply, self.base, self.place = change, apply, base, place
        self.elements = self.changed = 0

    def merge(self, start: int, rows: Array) -> int:
        """Fill ``rows`` with those from ``start`` on, merged; how many elements changed. Raises NonFiniteError."""
        before = self.base(start, rows.shape[0])
        self.apply(before, start, rows)
        if not rows.is_finite():
            raise NonFiniteError(self.change.name, f"NaN or infinity in rows {start} to {start + rows.shape[0]}")
        return int(np.count_nonzero(rows.bits() != before.bits()))


Block = tuple[ChangedTensor, int, int]


class BlockWorkers:
    """Threads that compute blocks and write them to their places; a piece holds until the next one is asked for."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS))
        # Those computed ahead, and the one given out.
        self._buffers = [np.empty(0, np.uint8)] * (BLOCKS_AHEAD + 1)
        self._next = 0

    def here(self, blocks: Iterable[Block]) -> Iterator[WrittenPiece]:
        """Each block, computed in this thread with as many threads as torch takes."""
        for tensor, start, rows in blocks:
            yield _counted(*_merge(tensor, start, self._memory(tensor, rows)))

    def ahead(self, blocks: Iterable[Block]) -> Iterator[WrittenPiece]:
        """Each block in order, a few computed ahead, each in one thread."""
        merges = (self.pool.submit(_merge, tensor, start, self._memory(tensor, rows)) for tensor, start, rows in blocks)
        for result in in_order(merges, BLOCKS_AHEAD):
            yield _counted(*result)

    def _memory(self, tensor: ChangedTensor, rows: int) -> Array:
        dtype, shape = STORAGE[tensor.change.dtype], (rows, *tensor.change.shape[1:])
        size = math.prod(shape) * dtype.itemsize
        self._next = (self._next + 1) % len(self._buffers)
        if len(self._buffers[self._next]) < size:
            self._buffers[self._next] = np.empty(size, np.uint8)
        return Array(tensor.change.dtype, self._buffers[self._next][:size].view(dtype).reshape(shape))


def _merge(tensor: ChangedTensor, start: int, memory: Array) -> tuple[ChangedTensor, WrittenPiece, int, int]:
    changed = tensor.merge(start, memory)
    # Written where it was computed: it is still in that core's cache.
    data = memory.bytes()
    rows = memory.shape[0]
    return tensor, write_piece(tensor.place, start * (len(data) // rows), data), memory.values.size, changed


def _counted(tensor: ChangedTensor, piece: WrittenPiece, elements: int, changed: int) -> WrittenPiece:
    tensor.elements += elements
    tensor.changed += changed
    return piece
