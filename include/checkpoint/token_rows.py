"""Single trained rows of an embedding: only they are written, the rows between them stay where they are."""

from __future__ import annotations

import torch

from include.checkpoint.adapter import Adapter, AdapterConfig
from include.checkpoint.errors import AdapterBaseMismatchError, AdapterRefusedError, NonFiniteError
from include.checkpoint.lora_math import is_finite
from include.checkpoint.merge_plan import TensorChange
from include.checkpoint.merge_proof import TensorProof
from include.checkpoint.overlay import Overlay
from include.checkpoint.reading import RangeReader
from include.checkpoint.segments import CheckpointFile, Segment, slice_segments
from include.checkpoint.tensor_changes import stored_rows
from include.checkpoint.tensors import StoredTensor
from include.checkpoint.torch_tensors import bytes_of


def write_token_rows(
    adapter: Adapter, change: TensorChange, source: StoredTensor, out: Overlay, reader: RangeReader
) -> tuple[tuple[Segment, ...], TensorProof]:
    """Replace the rows of the trained tokens; the tensor's segments, and the proof read back from them."""
    indices = token_indices(adapter.config, change.module)
    row_bytes = source.entry.size // source.entry.shape[0]
    rows_of = stored_rows(change.dtype, change.shape, lambda at, length: source.read(at, length, reader))
    trained = adapter.tensor(change.module, "token_rows").to(rows_of(0, 1).dtype)
    _check(change, indices, trained)
    tensor = CheckpointFile(name=change.name, segments=source.segments())
    segments: list[Segment] = []
    position = changed = 0
    for index, row in sorted(zip(indices, trained, strict=True), key=lambda pair: pair[0]):
        segments += slice_segments(tensor, position, index * row_bytes - position)
        segments.append(out.append_all([bytes_of(row)]))
        changed += int(torch.count_nonzero(rows_of(index, 1)[0] != row))
        position = (index + 1) * row_bytes
    segments += slice_segments(tensor, position, source.entry.size - position)
    proof = TensorProof(
        name=change.name,
        kind=change.kind,
        elements=trained.numel(),
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


def _check(change: TensorChange, indices: list[int], trained: torch.Tensor) -> None:
    if len(indices) != len(trained) or len(set(indices)) != len(indices):
        raise AdapterRefusedError(change.name, f"{len(indices)} indices for {len(trained)} rows", "Save it again.")
    if indices and not 0 <= min(indices) <= max(indices) < change.shape[0]:
        raise AdapterBaseMismatchError(change.name, f"token ids below {change.shape[0]}", f"{max(indices)}")
    if not is_finite(trained):
        raise NonFiniteError(change.name, "NaN or infinity in the trained rows")
