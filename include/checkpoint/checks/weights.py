"""The weights of a checkpoint as far as their headers can be read, with every defect on the way."""

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
    """Tensors by name, metadata by shard; ``sound`` is whether every header could be read whole."""

    tensors: dict[str, StoredTensor]
    shards: tuple[str, ...]
    defects: tuple[Defect, ...]
    metadata: dict[str, dict[str, str] | None]

    @property
    def sound(self) -> bool:
        """Whether the headers hold no defect, so that a missing tensor is really missing."""
        return not self.defects

    @property
    def size(self) -> int:
        """The bytes of all tensors."""
        return sum(stored.entry.size for stored in self.tensors.values())

    @property
    def dtypes(self) -> set[str]:
        """The dtypes of all tensors, as safetensors names them."""
        return {stored.entry.dtype for stored in self.tensors.values()}

    @property
    def embedding_rows(self) -> int | None:
        """The rows of the token embedding, or None where no tensor is one."""
        named = (stored.entry for name, stored in self.tensors.items() if name.endswith(EMBEDDINGS))
        return min((entry.shape[0] for entry in named if len(entry.shape) == 2), default=None)


def read_weights(checkpoint: Checkpoint, reader: RangeReader) -> Weights:
    """What the headers of all shards say."""
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
