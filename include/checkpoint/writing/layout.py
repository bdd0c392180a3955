"""Write a new header for a weights file whose tensors stay in their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.checkpoint.files.defects import TensorDuplicatedError
from include.checkpoint.files.folder import INDEX
from include.checkpoint.files.json_files import format_json
from include.checkpoint.files.safetensors_header import format_header
from include.checkpoint.files.segments import CheckpointFile, PlacedTensor
from include.checkpoint.writing.overlay import Overlay

METADATA = {"format": "pt"}


def weights_index(files: Mapping[str, Sequence[PlacedTensor]], out: Overlay) -> CheckpointFile:
    """Write the index that says which of these weights files holds each tensor.

    Raises:
        TensorDuplicatedError: two files hold a tensor of the same name.
    """
    weight_map: dict[str, str] = {}
    for file, tensor in ((file, tensor) for file, tensors in files.items() for tensor in tensors):
        if tensor.name in weight_map:
            raise TensorDuplicatedError(tensor.name, f"{weight_map[tensor.name]} only", f"{file} as well")
        weight_map[tensor.name] = file
    size = sum(tensor.size for tensors in files.values() for tensor in tensors)
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
    return out.file(INDEX, format_json(index))


def lay_out(
    name: str, tensors: Sequence[PlacedTensor], out: Overlay, metadata: Mapping[str, str] = METADATA
) -> CheckpointFile:
    """Return a weights file of these tensors in this order; only its header is written."""
    header = format_header(((tensor.name, tensor.dtype, tensor.shape) for tensor in tensors), dict(metadata))
    pieces = [out.append(header), *(segment for tensor in tensors for segment in tensor.segments)]
    return CheckpointFile(name=name, segments=tuple(pieces))
