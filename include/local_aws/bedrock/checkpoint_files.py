"""What the names, sizes, config.json and shard headers of a checkpoint say, before any weight is loaded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from include.local_aws.bedrock.import_failures import (
    AdapterOnlyError,
    ArchivedCheckpointError,
    InvalidConfigError,
    MissingFileError,
    ModelTooLargeError,
    NoSafetensorsError,
    QuantizedCheckpointError,
    ShardIndexError,
    UnreadableWeightsError,
    UnsupportedArchitectureError,
)
from include.local_aws.bedrock.service_rules import Architecture, ServiceRules

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".gz", ".bz2", ".xz", ".7z")
METADATA = (".json", ".model", ".txt", ".jinja")
SHARD_INDEX = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"
RAW_MISTRAL = "consolidated"
TOKENIZERS = ("tokenizer.json", "tokenizer.model")


def is_weight_file(name: str) -> bool:
    """Whether a name is one of the Hugging Face weight files; raw Mistral's, often beside them, are left alone."""
    return name.endswith(".safetensors") and not name.startswith((RAW_MISTRAL, "adapter_"))


def is_metadata_file(name: str) -> bool:
    """Whether a name is one of the small files that transformers may read."""
    return name.endswith(METADATA)


def check_names(names: Collection[str], s3_uri: str) -> None:
    """Raises the error for the first file that is missing, or must not be there."""
    archives = sorted(name for name in names if name.endswith(ARCHIVES))
    if archives:
        raise ArchivedCheckpointError(archives, s3_uri)
    if "config.json" not in names:
        raise AdapterOnlyError(s3_uri) if "adapter_config.json" in names else MissingFileError("config.json", s3_uri)
    if not any(is_weight_file(name) for name in names):
        raise NoSafetensorsError(s3_uri)
    if "tokenizer_config.json" not in names:
        raise MissingFileError("tokenizer_config.json", s3_uri)
    if not any(name in names for name in TOKENIZERS):
        raise MissingFileError(" or ".join(TOKENIZERS), s3_uri)


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json as a dict. Raises InvalidConfigError."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidConfigError(f"it is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise InvalidConfigError("it is not a JSON object")
    return config


def find_architecture(config: Mapping[str, Any], rules: ServiceRules, region: str) -> Architecture:
    """Return the rules of the config's architecture.

    Raises UnsupportedArchitectureError, also for a supported model_type outside its regions or with another head, as
    embedding models and classifiers have; QuantizedCheckpointError.
    """
    model_type, classes = str(config.get("model_type")), config.get("architectures") or []
    architecture = rules.architectures.get(model_type)
    if architecture is None or (architecture.regions is not None and region not in architecture.regions):
        raise UnsupportedArchitectureError(model_type, sorted(rules.architectures))
    if not set(classes) & set(architecture.classes):
        raise UnsupportedArchitectureError(f"{model_type}: {', '.join(map(str, classes))}", architecture.classes)
    quantization = config.get("quantization_config")
    if quantization and not architecture.quantized:
        raise QuantizedCheckpointError(str(quantization.get("quant_method", "unknown method")))
    return architecture


def check_size(sizes: Iterable[int], limit: int) -> None:
    """Raises ModelTooLargeError unless the weights together are smaller than the limit."""
    total = sum(sizes)
    if total >= limit:
        raise ModelTooLargeError(total, limit)


def check_shards(folder: Path) -> None:
    """Raises ShardIndexError, UnreadableWeightsError unless the weight files are exactly those of the index, or one."""
    present = {path.name: _tensor_names(path) for path in sorted(folder.glob("*.safetensors"))}
    index = folder / SHARD_INDEX
    if index.exists():
        _check_index(_weight_map(index), present)
    elif set(present) != {SINGLE_FILE}:
        raise ShardIndexError(f"there is no {SHARD_INDEX} and the weights are in {', '.join(present)}")


def _check_index(weight_map: Mapping[str, str], present: Mapping[str, Collection[str]]) -> None:
    named = set(weight_map.values())
    _refuse("the index names files that are missing", named - set(present))
    _refuse("there are weight files that the index does not name", set(present) - named)
    counts = Counter(tensor for tensors in present.values() for tensor in tensors)
    _refuse("tensors are in more than one file", {tensor for tensor, count in counts.items() if count > 1})
    found = {(tensor, name) for name, tensors in present.items() for tensor in tensors}
    _refuse("the index places tensors where they are not", {f"{t} in {n}" for t, n in set(weight_map.items()) - found})
    _refuse("the index does not list tensors", {f"{t} in {n}" for t, n in found - set(weight_map.items())})


def _refuse(problem: str, offenders: Collection[str]) -> None:
    if offenders:
        raise ShardIndexError(f"{problem}: {', '.join(sorted(offenders)[:5])}")


def _weight_map(index: Path) -> dict[str, str]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(tensor): str(name) for tensor, name in weight_map.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardIndexError(f"the index is not readable ({error!r})") from error


def _tensor_names(path: Path) -> tuple[str, ...]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as weights:
            return tuple(weights.keys())
    except SafetensorError as error:
        raise UnreadableWeightsError(path.name, str(error)) from error
