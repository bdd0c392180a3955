"""Write only the trained rows of an embedding; the other rows stay in the source."""

from __future__ import annotations

from include.checkpoint.files.arrays import count_changed, to_bytes
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import CheckpointFile, Segment, slice_segments
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.merge_plan import TensorChange
from include.checkpoint.lora.merge_proof import TensorProof
from include.checkpoint.lora.tensor_changes import refuse_other_embedding, stored_rows, trained_rows
from include.checkpoint.writing.overlay import Overlay


def write_token_rows(
    adapter: Adapter, change: TensorChange, source: StoredTensor, out: Overlay, reader: RangeReader
) -> tuple[tuple[Segment, ...], TensorProof]:
    """Replace the rows of the trained tokens; return the tensor's segments, and the proof read back from them."""
    indices, trained = trained_rows(adapter, change)
    row_bytes = source.entry.size // source.entry.shape[0]
    rows_of = stored_rows(change.dtype, change.shape, lambda at, length: source.read(at, length, reader))
    refuse_other_embedding(adapter, change, rows_of)
    tensor = CheckpointFile(name=change.name, segments=source.segments())
    segments: list[Segment] = []
    position = changed = 0
    for index, place in sorted(zip(indices, range(len(indices)), strict=True)):
        row = trained[place]
        segments += slice_segments(tensor, position, index * row_bytes - position)
        segments.append(out.append_all([to_bytes(row)]))
        changed += count_changed(rows_of(index, 1)[0], row)
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
