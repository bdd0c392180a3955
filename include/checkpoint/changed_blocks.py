"""The blocks of changed tensors: computed in threads, given out in order, in memory that is used again."""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from include.checkpoint.errors import NonFiniteError
from include.checkpoint.lora_math import BlockChange, bits, is_finite
from include.checkpoint.merge_plan import TensorChange
from include.checkpoint.tensor_changes import RowReader
from include.checkpoint.torch_tensors import DTYPES, bytes_of

MAX_THREADS = 4
BLOCKS_AHEAD = 3
# Those computed ahead, the one being written, and the one being hashed.
_BUFFERS = BLOCKS_AHEAD + 2


class ChangedTensor:
    """A tensor on its way: how to compute its blocks, and how many of its elements have changed so far."""

    def __init__(self, change: TensorChange, apply: BlockChange, base: RowReader) -> None:
        self.change, self.apply, self.base = change, apply, base
        self.elements = self.changed = 0

    def block(self, start: int, rows: int, memory: torch.Tensor) -> tuple[torch.Tensor, int]:
        """These rows merged, in ``memory``, and how many elements changed; raises NonFiniteError."""
        before = self.base(start, rows)
        after = memory[: before.numel()].view(before.shape)
        self.apply(before, start, after)
        if not is_finite(after):
            raise NonFiniteError(self.change.name, f"NaN or infinity in rows {start} to {start + rows}")
        return after, int(np.count_nonzero(bits(after) != bits(before)))

    def count(self, after: torch.Tensor, changed: int) -> memoryview:
        """The block's bytes, counted."""
        self.elements += after.numel()
        self.changed += changed
        return bytes_of(after)


Block = tuple[ChangedTensor, int, int]


class BlockWorkers:
    """Threads that compute blocks, and their buffers; a block's bytes hold until the next but one is asked for."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS))
        self._buffers = [torch.empty(0, dtype=torch.uint8)] * _BUFFERS
        self._next = 0

    def here(self, blocks: Iterable[Block]) -> Iterator[memoryview]:
        """The bytes of each block, computed in this thread with as many threads as torch takes."""
        for tensor, start, rows in blocks:
            yield tensor.count(*tensor.block(start, rows, self._memory(tensor, rows)))

    def ahead(self, blocks: Iterable[Block]) -> Iterator[memoryview]:
        """The bytes of each block in order, a few computed ahead, each in one thread."""
        pending: deque[tuple[ChangedTensor, Future[tuple[torch.Tensor, int]]]] = deque()
        for tensor, start, rows in blocks:
            memory = self._memory(tensor, rows)
            pending.append((tensor, self.pool.submit(tensor.block, start, rows, memory)))
            if len(pending) > BLOCKS_AHEAD:
                yield _result(*pending.popleft())
        while pending:
            yield _result(*pending.popleft())

    def _memory(self, tensor: ChangedTensor, rows: int) -> torch.Tensor:
        dtype = DTYPES[tensor.change.dtype]
        size = rows * int(torch.Size(tensor.change.shape[1:]).numel()) * dtype.itemsize
        self._next = (self._next + 1) % _BUFFERS
        if len(self._buffers[self._next]) < size:
            # Whole pages of its own: what is aligned goes to the disk directly.
            self._buffers[self._next] = torch.frombuffer(mmap.mmap(-1, size), dtype=torch.uint8)
        return self._buffers[self._next][:size].view(dtype)


def _result(tensor: ChangedTensor, block: Future[tuple[torch.Tensor, int]]) -> memoryview:
    return tensor.count(*block.result())
