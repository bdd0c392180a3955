"""Cast the weights to another float format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from include.checkpoint.errors import NonFiniteError
from include.checkpoint.files.arrays import is_finite, to_bytes, torch_dtype
from include.checkpoint.files.folder import INDEX, is_hf_weights
from include.checkpoint.files.json_files import format_json, read_json
from include.checkpoint.files.reading import LOCAL, RangeReader, verify_pins
from include.checkpoint.files.safetensors_header import DTYPE_BYTES, STORED_DTYPES, read_header
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, PlacedTensor
from include.checkpoint.files.tensors import StoredTensor, stored_tensors
from include.checkpoint.lora.lora_math import row_blocks
from include.checkpoint.lora.merge_plan import FLOATS
from include.checkpoint.lora.tensor_changes import stored_rows
from include.checkpoint.writing.layout import lay_out
from include.checkpoint.writing.overlay import Overlay, overlay, pin_of
from include.checkpoint.writing.progress import Progress, no_progress

OVERLAY = "cast.overlay"
TargetDtype = Literal["bfloat16", "float16"]


def cast(
    checkpoint: Checkpoint,
    overlay_dir: str | Path,
    dtype: TargetDtype,
    *,
    progress: Progress = no_progress,
    reader: RangeReader = LOCAL,
    durable: bool = True,
) -> Checkpoint:
    """Return the checkpoint with every float tensor rounded once to ``dtype``; unchanged if all have it.

    Writes ``cast.overlay`` in ``overlay_dir``, synced if ``durable``. Raises NonFiniteError for a value that
    float16 cannot hold, SourceChangedError, DiskFullError, or the first defect of a weights file.
    """
    tensors = stored_tensors(checkpoint, reader)
    target = STORED_DTYPES[dtype]
    chosen = {name for name, stored in tensors.items() if stored.entry.dtype in FLOATS and stored.entry.dtype != target}
    if not chosen:
        return checkpoint
    size = sum(_new_size(tensors[name], target) for name in chosen)
    path = Path(overlay_dir) / OVERLAY
    with overlay(path, size, durable=durable) as out:
        files = []
        for count, file in enumerate(checkpoint.files):
            progress(count, len(checkpoint.files), min(out.size, size), size)
            files.append(_file(file, chosen, tensors, dtype, out, reader))
        progress(len(checkpoint.files), len(checkpoint.files), size, size)
        verify_pins(checkpoint, reader)
    note = f"{len(chosen)} tensors were rounded to {dtype}."
    return Checkpoint(files=tuple(files), pins=(*checkpoint.pins, pin_of(path)), notes=(*checkpoint.notes, note))


def _file(
    file: CheckpointFile,
    chosen: set[str],
    tensors: dict[str, StoredTensor],
    dtype: TargetDtype,
    out: Overlay,
    reader: RangeReader,
) -> CheckpointFile:
    if file.name == "config.json":
        return out.file(file.name, format_json(read_json(file, reader) | {"torch_dtype": dtype}))
    if file.name == INDEX:
        total = sum(_new_size(stored, STORED_DTYPES[dtype]) for stored in tensors.values())
        return out.file(file.name, format_json(read_json(file, reader) | {"metadata": {"total_size": total}}))
    if not is_hf_weights(file.name):
        return file
    names = [entry.name for entry in read_header(file, reader).tensors]
    if not chosen & set(names):
        return file
    placed = [_placed(tensors[name], name in chosen, STORED_DTYPES[dtype], out, reader) for name in names]
    return lay_out(file.name, placed, out)


def _placed(stored: StoredTensor, is_chosen: bool, target: str, out: Overlay, reader: RangeReader) -> PlacedTensor:
    entry = stored.entry
    if not is_chosen:
        return PlacedTensor(entry.name, entry.dtype, entry.shape, stored.segments())
    rows_of = stored_rows(entry.dtype, entry.shape, lambda at, length: stored.read(at, length, reader))

    def blocks() -> Iterator[memoryview]:
        for start, rows in row_blocks(entry.shape):
            rounded = rows_of(start, rows).to(torch_dtype(target))
            if not is_finite(rounded):
                raise NonFiniteError(entry.name, f"values too large for {target} in rows {start} to {start + rows}")
            yield to_bytes(rounded)

    return PlacedTensor(entry.name, target, entry.shape, (out.append_all(blocks()),))


def _new_size(stored: StoredTensor, target: str) -> int:
    entry = stored.entry
    return entry.size * DTYPE_BYTES[target] // DTYPE_BYTES[entry.dtype] if entry.dtype in FLOATS else entry.size
