"""A new layout for a weights file: a new header, and tensors that stay where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.checkpoint.files.safetensors_header import format_header
from include.checkpoint.files.segments import CheckpointFile, PlacedTensor
from include.checkpoint.writing.overlay import Overlay

METADATA = {"format": "pt"}


def lay_out(
    name: str, tensors: Sequence[PlacedTensor], out: Overlay, metadata: Mapping[str, str] = METADATA
) -> CheckpointFile:
    """A weights file of these tensors in this order; only its header is written."""
    header = format_header(((tensor.name, tensor.dtype, tensor.shape) for tensor in tensors), dict(metadata))
    pieces = [out.append(header), *(segment for tensor in tensors for segment in tensor.segments)]
    return CheckpointFile(name=name, segments=tuple(pieces))
