"""Check that the shards and their index were saved together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from include.checkpoint.checks.weights import Weights
from include.checkpoint.files import defects
from include.checkpoint.files.folder import INDEX, SINGLE
from include.checkpoint.files.json_files import read_json
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.writing.weights_headers import is_format_loaded


def file_defects(checkpoint: Checkpoint, weights: Weights, reader: RangeReader) -> Iterator[defects.Defect]:
    """Yield contradictions between shards and index."""
    if not weights.shards:
        yield defects.WeightsMissingError("*.safetensors", "at least one file", "none")
    elif INDEX not in checkpoint.names():
        others = [shard for shard in weights.shards if shard != SINGLE]
        if others and SINGLE in weights.shards:
            yield from (defects.ShardNotIndexedError(shard, f"{SINGLE} alone, or an index", shard) for shard in others)
        elif others:
            yield defects.IndexMissingError(INDEX, f"an index, or {SINGLE} alone", ", ".join(weights.shards))
    else:
        yield from _index_defects(checkpoint, weights, reader)
    for shard, metadata in weights.metadata.items():
        if not is_format_loaded(shard, metadata):
            yield defects.WeightsFormatError(shard, 'metadata with format = "pt", or none', str(metadata))


def _index_defects(checkpoint: Checkpoint, weights: Weights, reader: RangeReader) -> Iterator[defects.Defect]:
    try:
        index = read_json(checkpoint.file(INDEX), reader)
    except defects.Defect as defect:
        yield defect
        return
    weight_map = index.get("weight_map")
    if not (isinstance(weight_map, dict) and weight_map and all(map(_is_file_name, weight_map.values()))):
        yield defects.IndexInvalidError(INDEX, "weight_map: tensor name → file name", str(weight_map)[:200])
        return
    named = set(weight_map.values())
    if SINGLE in weights.shards and SINGLE not in named:
        yield defects.IndexStaleError(INDEX, f"{SINGLE} among its shards", ", ".join(sorted(named)[:4]))
        return
    for shard in sorted(named - set(weights.shards)):
        yield defects.ShardMissingError(shard, f"this file, which {INDEX} names", "none")
    for shard in sorted(set(weights.shards) - named):
        yield defects.ShardNotIndexedError(shard, f"a name that {INDEX} holds", "none of its tensors")
    if weights.sound:
        yield from _tensor_defects(weight_map, weights)
        yield from _size_defects(index, weights)


def _is_file_name(value: Any) -> bool:
    return isinstance(value, str) and "/" not in value and value.endswith(".safetensors")


def _tensor_defects(weight_map: dict[str, str], weights: Weights) -> Iterator[defects.Defect]:
    for name, shard in weight_map.items():
        stored = weights.tensors.get(name)
        if shard in weights.shards and (stored is None or stored.file.name != shard):
            found = f"it is in {stored.file.name}" if stored else "it is in no shard"
            yield defects.TensorNotInShardError(shard, name, found)
    indexed = set(weight_map.values())
    for name, stored in weights.tensors.items():
        if name not in weight_map and stored.file.name in indexed:
            yield defects.TensorNotIndexedError(stored.file.name, f"{name} in {INDEX}", "no such entry")


def _size_defects(index: dict[str, Any], weights: Weights) -> Iterator[defects.Defect]:
    metadata = index.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if total is not None and total != weights.size:
        yield defects.IndexSizeWarning(INDEX, f"total_size {weights.size}", f"{total}")
