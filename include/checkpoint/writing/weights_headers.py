"""Replace safetensors headers that Bedrock's transformers does not accept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from include.checkpoint.files.folder import SINGLE, is_hf_weights
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.safetensors_header import Header, TensorEntry, examine_header
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, PlacedTensor, slice_segments
from include.checkpoint.files.wrappers import ROOT_WRAPPER, WRAPPERS
from include.checkpoint.writing.layout import METADATA, lay_out
from include.checkpoint.writing.overlay import Overlay

NO_COPIES: Mapping[str, str] = MappingProxyType({})
_FORMATS = ("pt", "mlx")
# Weights of other libraries: in a single file, Bedrock's transformers believes the name and converts them.
_OTHER_FORMATS = ("tf", "flax")


class Copy(NamedTuple):
    """A tensor to add to a file, with the bytes of an existing one."""

    file: str
    entry: TensorEntry


@dataclass(frozen=True)
class HeaderChanges:
    """The weights files that need another header, the tensors' new names, and new tensors with the bytes of others."""

    headers: dict[str, Header]
    names: dict[str, str]
    copies: dict[str, Copy]
    notes: tuple[str, ...]

    def file(self, file: CheckpointFile, out: Overlay) -> CheckpointFile:
        """Return the file with its new header; the tensors' bytes stay where they are."""
        header = self.headers[file.name]
        named = [(self.names.get(entry.name, entry.name), entry) for entry in header.tensors]
        named += [(name, copy.entry) for name, copy in self.copies.items() if copy.file == file.name]
        tensors = [
            PlacedTensor(
                name, entry.dtype, entry.shape, slice_segments(file, header.data_start + entry.begin, entry.size)
            )
            for name, entry in named
        ]
        return lay_out(file.name, tensors, out, (header.metadata or {}) | METADATA)


def sound_headers(
    checkpoint: Checkpoint, left_out: Collection[str] = (), reader: RangeReader = LOCAL
) -> dict[str, Header]:
    """Return the headers of the weights files but for those ``left_out``; empty when one of them has a defect.

    What a damaged file holds is not known, so nothing is concluded from the others.
    """
    files = [file for file in checkpoint.files if is_hf_weights(file.name) and file.name not in left_out]
    examined = {file.name: examine_header(file, reader) for file in files}
    if any(defects for _, defects in examined.values()):
        return {}
    return {name: header for name, (header, _) in examined.items()}


def header_changes(headers: Mapping[str, Header], copies: Mapping[str, str] = NO_COPIES) -> HeaderChanges:
    """Return the changes after which Bedrock's transformers accepts the headers; empty if it does already.

    Args:
        headers: the weights files' headers.
        copies: tensors to add, each with the name of the one whose bytes it has; where that is missing, or the new
            one is there, nothing is added.
    """
    stored = {entry.name: Copy(file, entry) for file, header in headers.items() for entry in header.tensors}
    added = {new: stored[old] for new, old in copies.items() if old in stored and new not in stored}
    names = unwrapped_names(stored)
    changed, notes = {}, []
    for file, header in headers.items():
        wrapped = any(entry.name in names for entry in header.tensors)
        found = (header.metadata or {}).get("format")
        if not is_format_loaded(file, header.metadata) and found not in _OTHER_FORMATS:
            changed[file] = header
            notes.append(f'{file}: metadata with format = "pt", which it did not have.')
        elif wrapped or any(copy.file == file for copy in added.values()):
            changed[file] = header
    notes += [f"{new} was added, with the values of {copy.entry.name}." for new, copy in added.items()]
    if names:
        name, plain = next(iter(names.items()))
        notes.append(f"{len(names)} tensors lost the prefix of a wrapper: {plain}, which was {name}.")
    return HeaderChanges(changed, names, added, tuple(notes))


def is_format_loaded(file: str, metadata: Mapping[str, str] | None) -> bool:
    """Return whether Bedrock's transformers loads a weights file with this metadata; without metadata it does."""
    formats = _FORMATS if file == SINGLE else (*_FORMATS, *_OTHER_FORMATS)
    return metadata is None or metadata.get("format") in formats


def unwrapped_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names that have a wrapper's prefix, each with the name without it.

    Empty where two tensors would get the same name.
    """
    plain = {name: _unwrapped(name) for name in names}
    if len(set(plain.values())) < len(plain):
        return {}
    return {name: new for name, new in plain.items() if new != name}


def _unwrapped(name: str) -> str:
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    while parts[:1] == [ROOT_WRAPPER]:
        del parts[0]
    return ".".join(parts)
