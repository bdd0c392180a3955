"""The blocks of changed tensors: computed in threads, given out in order, in memory that is used again."""

from __future__ import annotations

import math
import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from include.checkpoint.arrays import STORAGE, Array
from include.checkpoint.errors import NonFiniteError
from include.checkpoint.lora_math import BlockChange
from include.checkpoint.merge_plan import TensorChange
from include.checkpoint.tensor_changes import RowReader

MAX_THREADS = 4
BLOCKS_AHEAD = 3
# Those computed ahead, the one being written, and the one being hashed.
_BUFFERS = BLOCKS_AHEAD + 2


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

    def count(self, after: Array, changed: int) -> memoryview:
        """The block's bytes, counted."""
        self.elements += after.values.size
        self.changed += changed
        return after.bytes()


Block = tuple[ChangedTensor, int, int]


class BlockWorkers:
    """Threads that compute blocks, and their buffers; a block's bytes hold until the next but one is asked for."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS))
        self._buffers = [np.empty(0, np.uint8)] * _BUFFERS
        self._next = 0

    def here(self, blocks: Iterable[Block]) -> Iterator[memoryview]:
        """The bytes of each block, computed in this thread with as many threads as torch takes."""
        for tensor, start, rows in blocks:
            yield tensor.count(*tensor.block(start, rows, self._memory(tensor, rows)))

    def ahead(self, blocks: Iterable[Block]) -> Iterator[memoryview]:
        """The bytes of each block in order, a few computed ahead, each in one thread."""
        pending: deque[tuple[ChangedTensor, Future[tuple[Array, int]]]] = deque()
        for tensor, start, rows in blocks:
            memory = self._memory(tensor, rows)
            pending.append((tensor, self.pool.submit(tensor.block, start, rows, memory)))
            if len(pending) > BLOCKS_AHEAD:
                yield _result(*pending.popleft())
        while pending:
            yield _result(*pending.popleft())

    def _memory(self, tensor: ChangedTensor, rows: int) -> Array:
        dtype = STORAGE[tensor.change.dtype]
        size = rows * math.prod(tensor.change.shape[1:]) * dtype.itemsize
        self._next = (self._next + 1) % _BUFFERS
        if len(self._buffers[self._next]) < size:
            # Whole pages of its own: what is aligned goes to the disk directly.
            self._buffers[self._next] = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        return Array(tensor.change.dtype, self._buffers[self._next][:size].view(dtype))


def _result(tensor: ChangedTensor, block: Future[tuple[Array, int]]) -> memoryview:
    return tensor.count(*block.result())
