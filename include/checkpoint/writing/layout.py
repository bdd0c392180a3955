"""A new layout for a weights file: a new header, and tensors that stay where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.checkpoint.files.safetensors_header import format_header
from include.checkpoint.files.segments import CheckpointFile, Segment
from include.checkpoint.writing.overlay import Overlay

METADATA = {"format": "pt"}


@dataclass(frozen=True)
class PlacedTensor:
    """A tensor and where its bytes are."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    segments: tuple[Segment, ...]


def lay_out(
    name: str, tensors: Sequence[PlacedTensor], out: Overlay, metadata: Mapping[str, str] = METADATA
) -> CheckpointFile:
    """A weights file of these tensors in this order; only its header is written."""
    header = format_header(((tensor.name, tensor.dtype, tensor.shape) for tensor in tensors), dict(metadata))
    pieces = [out.append(header), *(segment for tensor in tensors for segment in tensor.segments)]
    return CheckpointFile(name=name, segments=tuple(pieces))
