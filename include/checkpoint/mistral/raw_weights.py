"""Read the tensors of Mistral's consolidated files, in any format and split."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from include.checkpoint.errors import RawFilesMissingError, RawTensorError
from include.checkpoint.files.folder import whole
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.files.safetensors_header import read_header
from include.checkpoint.files.segments import Pin, PlacedTensor, slice_segments
from include.checkpoint.files.torch_zip import pth_tensors

# In the order of preference where a folder holds several.
PATTERNS = ("consolidated*.safetensors", "consolidated*.pth", "consolidated*.pt")


def weights_files(folder: Path) -> list[Path]:
    """Return the consolidated files that hold the weights; raises RawFilesMissingError."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for pattern in PATTERNS:
        if found := [folder / name for name in names if fnmatch(name, pattern)]:
            return found
    raise RawFilesMissingError(str(folder), " or ".join(PATTERNS))


def raw_tensors(files: list[Path]) -> dict[str, list[PlacedTensor]]:
    """Return the pieces of each tensor by name: one, unless the files split every tensor.

    Raises RawTensorError when some tensors are in every file and others in some only, and each file's own errors.
    """
    pieces: dict[str, list[PlacedTensor]] = {}
    for path in files:
        for tensor in _tensors(path):
            pieces.setdefault(tensor.name, []).append(tensor)
    for name, found in pieces.items():
        if len(found) not in (1, len(files)) or {tensor.dtype for tensor in found} != {found[0].dtype}:
            raise RawTensorError(name, f"one piece, or one in each of {len(files)} files", f"{len(found)}")
    return pieces


def pins(files: list[Path]) -> tuple[Pin, ...]:
    """The files as they are now."""
    return tuple(LOCAL.pin(str(path)) for path in files)


def _tensors(path: Path) -> list[PlacedTensor]:
    if path.suffix != ".safetensors":
        return pth_tensors(path)
    file = whole(path.name, LOCAL.pin(str(path)))
    header = read_header(file)
    return [
        PlacedTensor(
            entry.name, entry.dtype, entry.shape, slice_segments(file, header.data_start + entry.begin, entry.size)
        )
        for entry in header.tensors
    ]
