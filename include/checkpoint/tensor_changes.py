"""From a planned change to the rows it starts from and the arithmetic it takes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from include.checkpoint.adapter import Adapter
from include.checkpoint.arrays import Array
from include.checkpoint.errors import AdapterBaseMismatchError
from include.checkpoint.lora_math import (
    BiasDelta,
    BlockChange,
    DoraDelta,
    EmbeddingDelta,
    LinearDelta,
    Replacement,
    row_blocks,
)
from include.checkpoint.merge_plan import TensorChange
from include.checkpoint.reading import RangeReader
from include.checkpoint.safetensors_header import DTYPE_BYTES
from include.checkpoint.tensors import StoredTensor
from include.checkpoint.torch_kernels import converted

# (first row, rows) → these rows, in the tensor's stored dtype.
RowReader = Callable[[int, int], Array]


def block_change(adapter: Adapter, change: TensorChange) -> BlockChange:
    """What is done to each block of rows; the adapter's part is in memory from here on."""
    module = change.module
    scaling = adapter.config.scaling(module)
    if change.kind in ("linear", "dora"):
        linear = LinearDelta.of(_float(adapter, module, "lora_A"), _float(adapter, module, "lora_B"), scaling)
        return DoraDelta(linear, _float(adapter, module, "magnitude")) if change.kind == "dora" else linear
    if change.kind == "embedding":
        parts = ("lora_embedding_A", "lora_embedding_B")
        return EmbeddingDelta(_float(adapter, module, parts[0]), _float(adapter, module, parts[1]), scaling)
    if change.kind == "bias":
        return BiasDelta(_float(adapter, module, "lora_bias"), scaling)
    return Replacement(adapter.tensor(module, "bias" if change.name.endswith(".bias") else "weight"))


def _float(adapter: Adapter, module: str, part: str) -> Array:
    return converted(adapter.tensor(module, part), "F32")


def base_rows(adapter: Adapter, change: TensorChange, source: StoredTensor, reader: RangeReader) -> RowReader:
    """The rows a change starts from: the base's, or the adapter's own where the vocabulary was resized."""
    if change.own_base or (change.kind == "replace" and change.shape != source.entry.shape):
        part = "base_weight" if change.own_base else "weight"
        own = converted(adapter.tensor(change.module, part), change.dtype)
        return lambda start, rows: own[start : start + rows]
    return stored_rows(source.entry.dtype, source.entry.shape, lambda at, length: source.read(at, length, reader))


def stored_rows(dtype: str, shape: tuple[int, ...], read: Callable[[int, int], bytes]) -> RowReader:
    """Rows of a tensor stored row by row, given how to read (offset, length) of its bytes."""
    row_shape = shape[1:]
    row_bytes = DTYPE_BYTES[dtype] * math.prod(row_shape)

    def rows_of(start: int, rows: int) -> Array:
        return Array.from_bytes(read(start * row_bytes, rows * row_bytes), dtype, (rows, *row_shape))

    return rows_of


def refuse_other_embedding(adapter: Adapter, change: TensorChange, rows_of: RowReader) -> None:
    """Raise where the adapter brings the matrix it was trained on and the base's is another one."""
    if change.own_base or "base_weight" not in adapter.modules[change.module]:
        return
    own = adapter.tensor(change.module, "base_weight")
    for start, rows in row_blocks(change.shape):
        base = rows_of(start, rows)
        if not np.array_equal(converted(own[start : start + rows], base.dtype).bits(), base.bits()):
            found = f"other values from row {start} on"
            raise AdapterBaseMismatchError(change.source, "the matrix that the adapter was trained on", found)
