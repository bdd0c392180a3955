"""Write the changed tensors of a merge to the overlay, read them back and prove them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from include.checkpoint.files.arrays import to_bytes
from include.checkpoint.files.concurrency import in_order
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.segments import Segment
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.lora_math import row_blocks
from include.checkpoint.lora.merge_plan import TensorChange
from include.checkpoint.lora.merge_proof import TensorProof, prove_tensor
from include.checkpoint.lora.tensor_changes import (
    ChangedTensor,
    base_rows,
    block_change,
    refuse_other_embedding,
    stored_rows,
)
from include.checkpoint.lora.token_rows import write_token_rows
from include.checkpoint.writing.overlay import Overlay
from include.checkpoint.writing.progress import Progress

# Blocks computed side by side, each in one thread, while the one before them is hashed and written.
BLOCKS_AT_ONCE = 2


class TensorWriter:
    """Writes changed tensors; ``written`` holds the location of each, ``proofs`` the result of reading it back."""

    def __init__(
        self,
        adapter: Adapter,
        tensors: dict[str, StoredTensor],
        out: Overlay,
        reader: RangeReader,
        progress: Progress,
    ) -> None:
        self._adapter, self._tensors, self._out = adapter, tensors, out
        self._reader, self._progress = reader, progress
        self.written: dict[str, tuple[Segment, ...]] = {}
        self.proofs: list[TensorProof] = []

    def write(self, changes: list[TensorChange]) -> None:
        """Write these tensors, in the order of the base's bytes."""
        changes = sorted(changes, key=self._in_base)
        total = sum(map(size_of, changes))
        with one_torch_thread(), ThreadPoolExecutor(BLOCKS_AT_ONCE) as pool:
            for count, change in enumerate(changes):
                self._progress(count, len(changes), self._out.size, total)
                self.written[change.name] = self._write(change, pool)
        self._progress(len(changes), len(changes), total, total)

    def _in_base(self, change: TensorChange) -> tuple[str, int]:
        stored = self._tensors[change.source]
        return stored.file.name, stored.offset

    def _write(self, change: TensorChange, pool: ThreadPoolExecutor) -> tuple[Segment, ...]:
        source = self._tensors[change.source]
        if change.kind == "copy":
            return source.segments()
        if change.patches_rows:
            segments, proof = write_token_rows(self._adapter, change, source, self._out, self._reader)
        else:
            segment, proof = self._write_whole(change, source, pool)
            segments = (segment,)
        self.proofs.append(proof)
        return segments

    def _write_whole(
        self, change: TensorChange, source: StoredTensor, pool: ThreadPoolExecutor
    ) -> tuple[Segment, TensorProof]:
        base = base_rows(self._adapter, change, source, self._reader)
        refuse_other_embedding(self._adapter, change, base)
        tensor = ChangedTensor(change, block_change(self._adapter, change), base)
        segment = self._out.append_all(_blocks(tensor, pool))
        if change.shape != source.entry.shape:
            tensor.changed = tensor.elements
        merged = stored_rows(change.dtype, change.shape, lambda at, length: self._out.read(segment, at, length))
        return segment, prove_tensor(self._adapter, tensor, merged)


def _blocks(tensor: ChangedTensor, pool: ThreadPoolExecutor) -> Iterator[memoryview]:
    merges = (pool.submit(tensor.merge, start, rows) for start, rows in row_blocks(tensor.change.shape))
    for block, changed in in_order(merges, BLOCKS_AT_ONCE):
        tensor.changed += changed
        yield to_bytes(block)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to the calling thread, since blocks are computed in parallel."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def size_of(change: TensorChange) -> int:
    """Return the tensor's size in bytes after the change."""
    return math.prod(change.shape) * DTYPE_BYTES[change.dtype]
