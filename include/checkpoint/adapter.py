"""A PEFT adapter: its configuration, and which of its tensors belongs to which module."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from include.checkpoint.arrays import Array
from include.checkpoint.errors import AdapterConfigError, AdapterWeightsMissingError
from include.checkpoint.folder import whole
from include.checkpoint.json_files import read_json
from include.checkpoint.reading import LOCAL, RangeReader
from include.checkpoint.safetensors_header import read_header
from include.checkpoint.tensors import StoredTensor

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLED_WEIGHTS = "adapter_model.bin"
PREFIX = "base_model.model."

# Suffix of a tensor's name → which part of its module's change it is. Adapter names ("default") are dropped first.
_PARTS = (
    (".lora_A.weight", "lora_A"),
    (".lora_B.weight", "lora_B"),
    (".lora_B.bias", "lora_bias"),
    (".lora_embedding_A", "lora_embedding_A"),
    (".lora_embedding_B", "lora_embedding_B"),
    (".lora_magnitude_vector.weight", "magnitude"),
    (".lora_magnitude_vector", "magnitude"),
    (".base_layer.weight", "base_weight"),
    (".base_layer.bias", "bias"),
    (".token_adapter.trainable_tokens_delta", "token_rows"),
    (".weight", "weight"),
    (".bias", "bias"),
)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "peft_type": str,
    "base_model_name_or_path": str,
    "r": int,
    "lora_alpha": (int, float),
    "rank_pattern": dict,
    "alpha_pattern": dict,
    "use_rslora": bool,
    "use_dora": bool,
    "modules_to_save": list,
    "trainable_token_indices": (list, dict),
    "layer_replication": list,
    "ensure_weight_tying": bool,
}
_ADAPTER_NAME = re.compile(r"\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|modules_to_save)\.default(?=\.|$)")


@dataclass(frozen=True)
class AdapterConfig:
    """The fields of adapter_config.json that a merge depends on."""

    peft_type: str
    base_model_name_or_path: str | None = None
    r: int = 8
    lora_alpha: float = 8
    rank_pattern: dict[str, Any] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    use_rslora: bool = False
    use_dora: bool = False
    modules_to_save: list[str] | None = None
    trainable_token_indices: list[int] | dict[str, list[int]] | None = None
    layer_replication: list[Any] | None = None
    ensure_weight_tying: bool = False
    init_lora_weights: bool | str | None = True

    def scaling(self, module: str) -> float:
        """What B @ A is multiplied by for this module."""
        rank = _by_pattern(self.rank_pattern, module, self.r)
        alpha = _by_pattern(self.alpha_pattern, module, self.lora_alpha)
        return alpha / math.sqrt(rank) if self.use_rslora else alpha / rank


def _by_pattern(patterns: Mapping[str, float], module: str, default: float) -> float:
    # The first pattern that matches the end of the name wins, as in peft.
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module)), default)


class LazyTensors(Protocol):
    """Tensors by name, read when asked for."""

    def names(self) -> tuple[str, ...]:
        """All names."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape, without reading the tensor."""
        ...

    def tensor(self, name: str) -> Array:
        """The tensor in memory."""
        ...


@dataclass(frozen=True)
class Adapter:
    """Configuration and tensors; ``modules`` maps a module of the base model to part → tensor name."""

    config: AdapterConfig
    raw_config: dict[str, Any]
    weights: LazyTensors
    modules: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def shape(self, module: str, part: str) -> tuple[int, ...]:
        """The shape of one part of a module's change."""
        return self.weights.shape(self.modules[module][part])

    def tensor(self, module: str, part: str) -> Array:
        """One part of a module's change, in memory."""
        return self.weights.tensor(self.modules[module][part])


def read_adapter(adapter_dir: str | Path, reader: RangeReader = LOCAL) -> Adapter:
    """The adapter in a folder; its tensors are read when asked for.

    Raises AdapterConfigError and AdapterWeightsMissingError, or the weights file's first defect.
    """
    folder = Path(adapter_dir).absolute()
    raw = read_json(whole(CONFIG, reader.pin(str(folder / CONFIG))), reader)
    config = _config(raw, str(folder / CONFIG))
    weights = _open_weights(folder, reader)
    modules, unknown = _by_module(weights.names())
    return Adapter(config, raw, weights, modules, unknown)


def _config(raw: dict[str, Any], path: str) -> AdapterConfig:
    given = {item.name: raw[item.name] for item in fields(AdapterConfig) if raw.get(item.name) is not None}
    for name, value in given.items():
        if name in _TYPES and not isinstance(value, _TYPES[name]):
            raise AdapterConfigError(path, f"{name} = {json.dumps(value)}")
    if "peft_type" not in given:
        raise AdapterConfigError(path, "no peft_type")
    return AdapterConfig(**given)


def _by_module(names: tuple[str, ...]) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    modules: dict[str, dict[str, str]] = {}
    unknown = []
    for name in names:
        plain = _ADAPTER_NAME.sub(r".\1", name.removeprefix(PREFIX)).replace(".modules_to_save.", ".")
        part = next((part for part in _PARTS if plain.endswith(part[0])), None)
        if part is None or ".lora_" in plain.removesuffix(part[0]):
            unknown.append(name)
        else:
            modules.setdefault(plain.removesuffix(part[0]), {})[part[1]] = name
    return modules, tuple(unknown)


def _open_weights(folder: Path, reader: RangeReader) -> LazyTensors:
    if (folder / WEIGHTS).exists():
        return _SafetensorsWeights(folder / WEIGHTS, reader)
    if (folder / PICKLED_WEIGHTS).exists():
        return _PickledWeights(folder / PICKLED_WEIGHTS)
    raise AdapterWeightsMissingError(str(folder), f"{WEIGHTS} or {PICKLED_WEIGHTS}")


class _SafetensorsWeights:
    def __init__(self, path: Path, reader: RangeReader) -> None:
        file = whole(path.name, reader.pin(str(path)))
        header = read_header(file, reader)
        self._reader = reader
        self._stored = {e.name: StoredTensor(e, file, header.data_start + e.begin) for e in header.tensors}

    def names(self) -> tuple[str, ...]:
        return tuple(self._stored)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._stored[name].entry.shape

    def tensor(self, name: str) -> Array:
        stored = self._stored[name]
        data = stored.read(0, stored.entry.size, self._reader)
        return Array.from_bytes(data, stored.entry.dtype, stored.entry.shape)


class _PickledWeights:
    def __init__(self, path: Path) -> None:
        import torch

        # weights_only: a pickle can run any code, this unpickler only builds tensors.
        self._state: dict[str, torch.Tensor] = torch.load(path, weights_only=True, mmap=True, map_location="cpu")

    def names(self) -> tuple[str, ...]:
        return tuple(self._state)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._state[name].shape)

    def tensor(self, name: str) -> Array:
        return Array.from_torch(self._state[name])
