"""The blocks of changed tensors: computed and written in threads, given out in order, in memory that is used again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from include.checkpoint.arrays import STORAGE, Array
from include.checkpoint.concurrency import in_order
from include.checkpoint.errors import NonFiniteError
from include.checkpoint.lora_math import BlockChange
from include.checkpoint.merge_plan import TensorChange
from include.checkpoint.overlay import Overlay, WrittenPiece
from include.checkpoint.tensor_changes import RowReader

MAX_THREADS = 4
BLOCKS_AHEAD = 3


class ChangedTensor:
    """A tensor on its way: how to compute its blocks, and how many of its elements have changed so far."""

    def __init__(self, change: TensorChange, apply: BlockChange, base: RowReader) -> None:
        self.change, self.apply, self.base = change, apply, base
        self.elements = self.changed = 0

    def block(self, start: int, rows: int, memory: Array) -> tuple[Array, int]:
        """These rows merged, in ``memory``, and how many elements changed; raises NonFiniteError."""
        before = self.base(start, rows)
        after = Array(memory.dtype, memory.values.reshape(before.shape))
        self.apply(before, start, after)
        if not after.is_finite():
            raise NonFiniteError(self.change.name, f"NaN or infinity in rows {start} to {start + rows}")
        return after, int(np.count_nonzero(after.bits() != before.bits()))


Block = tuple[ChangedTensor, int, int]


class BlockWorkers:
    """Threads that compute blocks and write them to the overlay; a piece holds until the next one is asked for."""

    def __init__(self, out: Overlay) -> None:
        self.pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS))
        self._out = out
        # Those computed ahead, and the one given out.
        self._buffers = [np.empty(0, np.uint8)] * (BLOCKS_AHEAD + 1)
        self._next = 0

    def here(self, blocks: Iterable[Block]) -> Iterator[WrittenPiece]:
        """Each block, computed in this thread with as many threads as torch takes."""
        for block in blocks:
            yield _counted(*self._merge(*block, *self._place(*block)))

    def ahead(self, blocks: Iterable[Block]) -> Iterator[WrittenPiece]:
        """Each block in order, a few computed ahead, each in one thread."""
        for result in in_order(map(self._submit, blocks), BLOCKS_AHEAD):
            yield _counted(*result)

    def _submit(self, block: Block) -> Future[tuple[ChangedTensor, WrittenPiece, int, int]]:
        return self.pool.submit(self._merge, *block, *self._place(*block))

    def _place(self, tensor: ChangedTensor, start: int, rows: int) -> tuple[Array, int]:
        """Memory for the block, and its place in the overlay."""
        dtype = STORAGE[tensor.change.dtype]
        size = rows * math.prod(tensor.change.shape[1:]) * dtype.itemsize
        self._next = (self._next + 1) % len(self._buffers)
        if len(self._buffers[self._next]) < size:
            self._buffers[self._next] = np.empty(size, np.uint8)
        memory = Array(tensor.change.dtype, self._buffers[self._next][:size].view(dtype))
        return memory, self._out.reserve(size)

    def _merge(
        self, tensor: ChangedTensor, start: int, rows: int, memory: Array, offset: int
    ) -> tuple[ChangedTensor, WrittenPiece, int, int]:
        # Written where it was computed: it is still in that core's cache.
        after, changed = tensor.block(start, rows, memory)
        return tensor, self._out.write(offset, after.bytes()), after.values.size, changed


def _counted(tensor: ChangedTensor, piece: WrittenPiece, elements: int, changed: int) -> WrittenPiece:
    tensor.elements += elements
    tensor.changed += changed
    return piece
