"""The changed tensors of a merge: written to the overlay, read back and proven."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from itertools import islice

from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.segments import Segment
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.changed_blocks import Block, BlockWorkers, ChangedTensor
from include.checkpoint.lora.lora_math import row_blocks
from include.checkpoint.lora.merge_plan import TensorChange
from include.checkpoint.lora.merge_proof import TensorProof, prove_tensor
from include.checkpoint.lora.tensor_changes import base_rows, block_change, refuse_other_embedding, stored_rows
from include.checkpoint.lora.token_rows import write_token_rows
from include.checkpoint.lora.torch_kernels import one_torch_thread
from include.checkpoint.writing.growing_file import Place
from include.checkpoint.writing.overlay import Overlay, WrittenPiece
from include.checkpoint.writing.progress import Progress


class TensorWriter:
    """Writes changed tensors; ``written`` says where each is, ``proofs`` what was found when it was read back."""

    def __init__(
        self,
        adapter: Adapter,
        tensors: dict[str, StoredTensor],
        out: Overlay,
        places: Mapping[str, Place],
        reader: RangeReader,
        progress: Progress,
    ) -> None:
        self._adapter, self._tensors, self._out = adapter, tensors, out
        self._places = dict(places)
        self._reader, self._progress = reader, progress
        self._opened: dict[str, ChangedTensor] = {}
        self._workers = BlockWorkers()
        self._proofs: list[Future[TensorProof]] = []
        self.written: dict[str, tuple[Segment, ...]] = {}
        self.proofs: list[TensorProof] = []

    def write(self, changes: list[TensorChange]) -> None:
        """Write these tensors, the ones of many blocks last and in the order of the base's bytes.

        A tensor of one block is computed as torch computes it alone: its bits may depend on how many threads share it.
        """
        changes = sorted(changes, key=self._in_base)
        whole = [change for change in changes if change.kind != "copy" and not change.patches_rows]
        large = [change for change in whole if len(_spans(change)) > 1]
        total = sum(map(size_of, changes))
        with self._workers.pool:
            for change in changes:
                if change not in large:
                    self._write_small(change)
            with one_torch_thread():
                pieces = self._workers.ahead(block for change in large for block in self._blocks(change))
                for count, change in enumerate(large, len(changes) - len(large)):
                    self._progress(count, len(changes), self._out.written, total)
                    self._write_whole(change, pieces)
            self._progress(len(changes), len(changes), total, total)
            self.proofs += [proof.result() for proof in self._proofs]

    def _place(self, change: TensorChange) -> Place:
        if change.name not in self._places:
            self._places[change.name] = self._out.place(size_of(change))
        return self._places[change.name]

    def _in_base(self, change: TensorChange) -> tuple[str, int]:
        stored = self._tensors[change.source]
        return stored.file.name, stored.offset

    def _write_small(self, change: TensorChange) -> None:
        source = self._tensors[change.source]
        if change.kind == "copy":
            self.written[change.name] = source.segments()
        elif change.patches_rows:
            segments, proof = write_token_rows(self._adapter, change, source, self._out, self._reader)
            self.written[change.name] = segments
            self.proofs.append(proof)
        else:
            self._write_whole(change, self._workers.here(self._blocks(change)))

    def _write_whole(self, change: TensorChange, pieces: Iterator[WrittenPiece]) -> None:
        segment = self._out.segment(self._place(change), islice(pieces, len(_spans(change))))
        self.written[change.name] = (segment,)
        self._proofs.append(self._workers.pool.submit(self._prove, self._opened.pop(change.name)))

    def _blocks(self, change: TensorChange) -> Iterator[Block]:
        apply = block_change(self._adapter, change)
        base = base_rows(self._adapter, change, self._tensors[change.source], self._reader)
        refuse_other_embedding(self._adapter, change, base)
        self._opened[change.name] = tensor = ChangedTensor(change, apply, base, self._place(change))
        for start, rows in _spans(change):
            yield tensor, start, rows

    def _prove(self, tensor: ChangedTensor) -> TensorProof:
        change, place = tensor.change, tensor.place
        if change.shape != self._tensors[change.source].entry.shape:
            tensor.changed = tensor.elements
        merged = stored_rows(change.dtype, change.shape, lambda at, length: place.file.read(place.offset + at, length))
        return prove_tensor(self._adapter, tensor, merged)


def _spans(change: TensorChange) -> list[tuple[int, int]]:
    return list(row_blocks(change.shape))


def size_of(change: TensorChange) -> int:
    """The tensor's bytes after the change."""
    return math.prod(change.shape) * DTYPE_BYTES[change.dtype]
