"""Locate the tensors of a checkpoint across its files."""

from __future__ import annotations

from dataclasses import dataclass

from include.checkpoint.files.defects import TensorDuplicatedError
from include.checkpoint.files.folder import is_hf_weights
from include.checkpoint.files.reading import LOCAL, RangeReader, read
from include.checkpoint.files.safetensors_header import Header, TensorEntry, read_header
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Segment, slice_segments


@dataclass(frozen=True)
class StoredTensor:
    """A tensor and its file; ``offset`` is relative to the file's start."""

    entry: TensorEntry
    file: CheckpointFile
    offset: int

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments of the tensor's bytes."""
        return slice_segments(self.file, self.offset, self.entry.size)

    def read(self, start: int, length: int, reader: RangeReader = LOCAL) -> bytes:
        """Return ``length`` bytes of the tensor from ``start``."""
        return read(self.file, self.offset + start, length, reader)


def headers(checkpoint: Checkpoint, reader: RangeReader = LOCAL) -> dict[str, Header]:
    """Return the headers of the checkpoint's weights files; raises the first defect."""
    return {file.name: read_header(file, reader) for file in checkpoint.files if is_hf_weights(file.name)}


def stored_tensors(checkpoint: Checkpoint, reader: RangeReader = LOCAL) -> dict[str, StoredTensor]:
    """Return every tensor of the checkpoint by name; raises the first defect."""
    found: dict[str, StoredTensor] = {}
    for name, header in headers(checkpoint, reader).items():
        for entry in header.tensors:
            if entry.name in found:
                raise TensorDuplicatedError(
                    name, f"{entry.name} in one file", f"in {found[entry.name].file.name} as well"
                )
            found[entry.name] = StoredTensor(entry, checkpoint.file(name), header.data_start + entry.begin)
    return found
