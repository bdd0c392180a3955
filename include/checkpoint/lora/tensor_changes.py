"""Turn a planned change into its base rows and its arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from include.checkpoint.errors import AdapterBaseMismatchError, AdapterRefusedError, NonFiniteError
from include.checkpoint.files.arrays import count_changed, from_bytes, is_finite, torch_dtype
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.lora.adapter import Adapter, AdapterConfig
from include.checkpoint.lora.adapter_checks import HEAD
from include.checkpoint.lora.lora_math import (
    BiasDelta,
    BlockChange,
    DoraDelta,
    EmbeddingDelta,
    LinearDelta,
    Replacement,
    TokenRows,
    row_blocks,
)
from include.checkpoint.lora.merge_plan import EMBEDDING, TensorChange, replaced_part

# (first row, rows) → these rows, in the tensor's stored dtype.
RowReader = Callable[[int, int], torch.Tensor]


class ChangedTensor:
    """Compute the blocks of a tensor and count its changed elements."""

    def __init__(self, change: TensorChange, apply: BlockChange, base: RowReader) -> None:
        self.change, self.apply, self.base = change, apply, base
        self.elements, self.changed = math.prod(change.shape), 0

    def merge(self, start: int, rows: int) -> tuple[torch.Tensor, int]:
        """Return these rows merged, and the number of changed elements; raises NonFiniteError."""
        before = self.base(start, rows)
        merged = self.apply(before, start).to(before.dtype)
        if not is_finite(merged):
            raise NonFiniteError(self.change.name, f"NaN or infinity in rows {start} to {start + rows}")
        return merged, count_changed(before, merged)


def block_change(adapter: Adapter, change: TensorChange) -> BlockChange:
    """Return the change of each block of rows, with the adapter's tensors in memory."""
    module = change.module
    if change.kind == "rows":
        return TokenRows(*trained_rows(adapter, change))
    if change.kind == "replace":
        return Replacement(adapter.tensor(module, replaced_part(adapter, module, change.name)))
    scaling = adapter.config.scaling(module)
    if change.kind in ("linear", "dora"):
        linear = LinearDelta(_float(adapter, module, "lora_A"), _float(adapter, module, "lora_B"), scaling)
        return DoraDelta(linear, _float(adapter, module, "magnitude")) if change.kind == "dora" else linear
    if change.kind == "embedding":
        parts = ("lora_embedding_A", "lora_embedding_B")
        return EmbeddingDelta(_float(adapter, module, parts[0]), _float(adapter, module, parts[1]), scaling)
    return BiasDelta(_float(adapter, module, "lora_bias"), scaling)


def _float(adapter: Adapter, module: str, part: str) -> torch.Tensor:
    return adapter.tensor(module, part).float()


def trained_rows(adapter: Adapter, change: TensorChange) -> tuple[tuple[int, ...], torch.Tensor]:
    """The trained tokens of a module and their rows in the change's dtype, in the order of the adapter's tensor."""
    indices = token_indices(adapter.config, change.module)
    trained = adapter.tensor(change.module, "token_rows").to(torch_dtype(change.dtype))
    if len(indices) != trained.shape[0] or len(set(indices)) != len(indices):
        raise AdapterRefusedError(change.name, f"{len(indices)} indices for {trained.shape[0]} rows", "Save it again.")
    if indices and not 0 <= min(indices) <= max(indices) < change.shape[0]:
        raise AdapterBaseMismatchError(change.name, f"token ids below {change.shape[0]}", f"{max(indices)}")
    if not is_finite(trained):
        raise NonFiniteError(change.name, "NaN or infinity in the trained rows")
    return indices, trained


def token_indices(config: AdapterConfig, module: str) -> tuple[int, ...]:
    """The trained rows of this module, in the order of the adapter's tensor."""
    indices = config.trainable_token_indices or []
    if isinstance(indices, list):
        return tuple(indices)
    named = (rows for name, rows in indices.items() if module == name or module.endswith(f".{name}"))
    return tuple(next(named, ()))


def without_tied_copy(adapter: Adapter) -> Adapter:
    """The adapter of a tied model without the rows of its head, where they are the embedding's over again."""
    head, embedding = adapter.modules.get(HEAD, {}), adapter.modules.get(EMBEDDING, {})
    if "token_rows" not in head or head.keys() != embedding.keys():
        return adapter
    own, shared = token_indices(adapter.config, HEAD), token_indices(adapter.config, EMBEDDING)
    if own not in ((), shared) or not all(_equal(adapter.tensor(HEAD, p), adapter.tensor(EMBEDDING, p)) for p in head):
        return adapter
    return replace(adapter, modules={name: parts for name, parts in adapter.modules.items() if name != HEAD})


def _equal(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.dtype == right.dtype and torch.equal(left, right)


def base_rows(adapter: Adapter, change: TensorChange, source: StoredTensor, reader: RangeReader) -> RowReader:
    """The rows a change starts from: the base's, or the adapter's own where the vocabulary was resized."""
    if change.own_base or (change.kind == "replace" and change.shape != source.entry.shape):
        part = "base_weight" if change.own_base else "weight"
        own = adapter.tensor(change.module, part).to(torch_dtype(change.dtype))
        return lambda start, rows: own[start : start + rows]
    return stored_rows(source.entry.dtype, source.entry.shape, lambda at, length: source.read(at, length, reader))


def stored_rows(dtype: str, shape: tuple[int, ...], read: Callable[[int, int], bytes]) -> RowReader:
    """Rows of a tensor stored row by row, given how to read (offset, length) of its bytes."""
    row_shape = shape[1:]
    row_bytes = DTYPE_BYTES[dtype] * math.prod(row_shape)

    def rows_of(start: int, rows: int) -> torch.Tensor:
        return from_bytes(read(start * row_bytes, rows * row_bytes), dtype, (rows, *row_shape))

    return rows_of


def refuse_other_embedding(adapter: Adapter, change: TensorChange, rows_of: RowReader) -> None:
    """Raise where the adapter brings the matrix it was trained on and the base's is another one."""
    if change.own_base or "base_weight" not in adapter.modules[change.module]:
        return
    own = adapter.tensor(change.module, "base_weight")
    for start, rows in row_blocks(change.shape):
        base = rows_of(start, rows)
        if not torch.equal(own[start : start + rows].to(base.dtype), base):
            found = f"other values from row {start} on"
            raise AdapterBaseMismatchError(change.source, "the matrix that the adapter was trained on", found)
