"""Single trained rows of an embedding: only they are written, the rows between them stay where they are."""

from __future__ import annotations

import numpy as np

from include.checkpoint.adapter import Adapter, AdapterConfig
from include.checkpoint.arrays import Array
from include.checkpoint.errors import AdapterBaseMismatchError, AdapterRefusedError, NonFiniteError
from include.checkpoint.merge_plan import TensorChange
from include.checkpoint.merge_proof import TensorProof
from include.checkpoint.overlay import Overlay
from include.checkpoint.reading import RangeReader
from include.checkpoint.segments import CheckpointFile, Segment, slice_segments
from include.checkpoint.tensor_changes import stored_rows
from include.checkpoint.tensors import StoredTensor
from include.checkpoint.torch_kernels import converted


def write_token_rows(
    adapter: Adapter, change: TensorChange, source: StoredTensor, out: Overlay, reader: RangeReader
) -> tuple[tuple[Segment, ...], TensorProof]:
    """Replace the rows of the trained tokens; the tensor's segments, and the proof read back from them."""
    indices = token_indices(adapter.config, change.module)
    row_bytes = source.entry.size // source.entry.shape[0]
    rows_of = stored_rows(change.dtype, change.shape, lambda at, length: source.read(at, length, reader))
    trained = converted(adapter.tensor(change.module, "token_rows"), change.dtype)
    _check(change, indices, trained)
    tensor = CheckpointFile(name=change.name, segments=source.segments())
    segments: list[Segment] = []
    position = changed = 0
    for index, place in sorted(zip(indices, range(len(indices)), strict=True)):
        row = trained[place]
        segments += slice_segments(tensor, position, index * row_bytes - position)
        segments.append(out.append_all([row.bytes()]))
        changed += int(np.count_nonzero(rows_of(index, 1)[0].bits() != row.bits()))
        position = (index + 1) * row_bytes
    segments += slice_segments(tensor, position, source.entry.size - position)
    proof = TensorProof(
        name=change.name,
        kind=change.kind,
        elements=trained.values.size,
        changed_elements=changed,
        sampled_rows=len(indices),
        largest_deviation=0.0,
    )
    return tuple(segments), proof


def token_indices(config: AdapterConfig, module: str) -> list[int]:
    """The trained rows of this module, in the order of the adapter's tensor."""
    indices = config.trainable_token_indices or []
    if isinstance(indices, list):
        return indices
    return next((rows for name, rows in indices.items() if module == name or module.endswith(f".{name}")), [])


def _check(change: TensorChange, indices: list[int], trained: Array) -> None:
    if len(indices) != trained.shape[0] or len(set(indices)) != len(indices):
        raise AdapterRefusedError(change.name, f"{len(indices)} indices for {trained.shape[0]} rows", "Save it again.")
    if indices and not 0 <= min(indices) <= max(indices) < change.shape[0]:
        raise AdapterBaseMismatchError(change.name, f"token ids below {change.shape[0]}", f"{max(indices)}")
    if not trained.is_finite():
        raise NonFiniteError(change.name, "NaN or infinity in the trained rows")
