"""Read the headers of a checkpoint's weights, and collect their defects."""

from __future__ import annotations

from dataclasses import dataclass

from include.checkpoint.files.defects import Defect, TensorDuplicatedError
from include.checkpoint.files.folder import is_hf_weights
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.safetensors_header import examine_header
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.files.tensors import StoredTensor

EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "shared.weight")


@dataclass(frozen=True)
class Weights:
    """Tensors by name and metadata by shard; ``sound`` says whether every header could be read."""

    tensors: dict[str, StoredTensor]
    shards: tuple[str, ...]
    defects: tuple[Defect, ...]
    metadata: dict[str, dict[str, str] | None]

    @property
    def sound(self) -> bool:
        """Return whether the headers have no defect, so that a missing tensor is really missing."""
        return not self.defects

    @property
    def size(self) -> int:
        """Return the total size of the tensors in bytes."""
        return sum(stored.entry.size for stored in self.tensors.values())

    @property
    def dtypes(self) -> set[str]:
        """Return the dtypes of all tensors, by their safetensors names."""
        return {stored.entry.dtype for stored in self.tensors.values()}

    @property
    def embedding_rows(self) -> int | None:
        """Return the number of rows of the token embedding, or None without one."""
        named = (stored.entry for name, stored in self.tensors.items() if name.endswith(EMBEDDINGS))
        return min((entry.shape[0] for entry in named if len(entry.shape) == 2), default=None)


def read_weights(checkpoint: Checkpoint, reader: RangeReader) -> Weights:
    """Read the headers of all shards."""
    tensors: dict[str, StoredTensor] = {}
    defects: list[Defect] = []
    metadata: dict[str, dict[str, str] | None] = {}
    shards = tuple(name for name in checkpoint.names() if is_hf_weights(name))
    for name in shards:
        file = checkpoint.file(name)
        header, found = examine_header(file, reader)
        defects += found
        metadata[name] = header.metadata
        for entry in header.tensors:
            if entry.name in tensors:
                other = tensors[entry.name].file.name
                defects.append(TensorDuplicatedError(name, f"{entry.name} in one shard", f"in {other} as well"))
            tensors[entry.name] = StoredTensor(entry, file, header.data_start + entry.begin)
    return Weights(tensors, shards, tuple(defects), metadata)
