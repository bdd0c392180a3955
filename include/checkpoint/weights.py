"""The weights of a checkpoint as far as their headers can be read, with every defect on the way."""

from __future__ import annotations

from dataclasses import dataclass

from include.checkpoint.defects import Defect, TensorDuplicatedError
from include.checkpoint.folder import is_hf_weights
from include.checkpoint.reading import RangeReader
from include.checkpoint.safetensors_header import examine_header
from include.checkpoint.segments import Checkpoint
from include.checkpoint.tensors import StoredTensor


@dataclass(frozen=True)
class Weights:
    """Tensors by name; ``sound`` is whether every header could be read whole."""

    tensors: dict[str, StoredTensor]
    shards: tuple[str, ...]
    defects: tuple[Defect, ...]

    @property
    def sound(self) -> bool:
        """Whether the headers hold no defect, so that a missing tensor is really missing."""
        return not self.defects

    @property
    def size(self) -> int:
        """The bytes of all tensors."""
        return sum(stored.entry.size for stored in self.tensors.values())


def read_weights(checkpoint: Checkpoint, reader: RangeReader) -> Weights:
    """What the headers of all shards say."""
    tensors: dict[str, StoredTensor] = {}
    defects: list[Defect] = []
    shards = tuple(name for name in checkpoint.names() if is_hf_weights(name))
    for name in shards:
        file = checkpoint.file(name)
        header, found = examine_header(file, reader)
        defects += found
        for entry in header.tensors:
            if entry.name in tensors:
                other = tensors[entry.name].file.name
                defects.append(TensorDuplicatedError(name, f"{entry.name} in one shard", f"in {other} as well"))
            tensors[entry.name] = StoredTensor(entry, file, header.data_start + entry.begin)
    return Weights(tensors, shards, tuple(defects))
