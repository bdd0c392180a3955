"""A PEFT adapter: its configuration, and its tensors by module."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.errors import AdapterConfigError, AdapterWeightsMissingError, PickleRefusedError
from include.checkpoint.files.arrays import FLOAT_DTYPES, TORCH_NAMES, dtype_of, from_bytes
from include.checkpoint.files.folder import whole
from include.checkpoint.files.json_files import read_json
from include.checkpoint.files.placeholders import POINTER, refuse_placeholder
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.safetensors_header import read_header
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.files.torch_archive import open_torch_archive
from include.checkpoint.lora.adapter_names import read_names
from include.checkpoint.lora.errors import AdapterDtypeError, AdapterTensorsEmptyError, AdapterUnreadableError, first
from include.checkpoint.lora.name_patterns import compiled, ending

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLED_WEIGHTS = "adapter_model.bin"
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
    "init_lora_weights": (bool, str),
    "target_modules": (str, list),
    "exclude_modules": (str, list),
    "layers_to_transform": (int, list),
    "layers_pattern": (str, list),
    "target_parameters": list,
    "bias": str,
    "lora_bias": bool,
}

# Those whose lists hold the names of modules.
_NAMES = ("modules_to_save", "target_modules", "exclude_modules", "layers_pattern", "target_parameters")


@dataclass(frozen=True)
class AdapterConfig:
    """Fields of adapter_config.json that a merge depends on."""

    peft_type: str
    base_model_name_or_path: str | None = None
    r: int = 8
    lora_alpha: float = 8
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    use_rslora: bool = False
    use_dora: bool = False
    modules_to_save: list[str] | None = None
    trainable_token_indices: list[int] | dict[str, list[int]] | None = None
    layer_replication: list[Any] | None = None
    ensure_weight_tying: bool = False
    init_lora_weights: bool | str | None = True
    target_modules: str | list[str] | None = None
    exclude_modules: str | list[str] | None = None
    layers_to_transform: int | list[int] | None = None
    layers_pattern: str | list[str] | None = None
    target_parameters: list[str] | None = None
    bias: str = "none"
    lora_bias: bool = False

    def rank(self, module: str) -> int:
        """Return the rank of A and B for this module."""
        return int(_by_pattern(self.rank_pattern, module, self.r))

    def scaling(self, module: str) -> float:
        """Return the factor of B @ A for this module."""
        rank = self.rank(module)
        alpha = _by_pattern(self.alpha_pattern, module, self.lora_alpha)
        return alpha / math.sqrt(rank) if self.use_rslora else alpha / rank


def _by_pattern(patterns: Mapping[str, float], module: str, default: float) -> float:
    # The first pattern that matches the end of the name wins, as in peft.
    return next((value for key, value in patterns.items() if compiled(ending(key)).match(module)), default)


class LazyTensors(Protocol):
    """Tensors by name, read lazily."""

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape, without reading the tensor."""
        ...

    def dtype(self, name: str) -> str:
        """Return the dtype by its safetensors name, without reading the tensor."""
        ...

    def tensor(self, name: str) -> torch.Tensor:
        """Read the tensor."""
        ...


@dataclass(frozen=True)
class Adapter:
    """Configuration and tensors; ``modules`` maps a module of the base model to part → tensor name.

    ``names`` maps each tensor's name as peft saves it to the one in the file; ``unknown`` are parts of no module.
    """

    config: AdapterConfig
    raw_config: dict[str, Any]
    weights: LazyTensors
    modules: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def shape(self, module: str, part: str) -> tuple[int, ...]:
        """Return the shape of one part of a module's change."""
        return self.weights.shape(self.modules[module][part])

    def tensor(self, module: str, part: str) -> torch.Tensor:
        """Read one part of a module's change."""
        return self.weights.tensor(self.modules[module][part])


def read_adapter(adapter_dir: str | Path, reader: RangeReader = LOCAL) -> Adapter:
    """The adapter in a folder, or under an ``s3://`` prefix with safetensors; its tensors are read when asked for.

    Raises AdapterConfigError, AdapterWeightsMissingError, AdapterUnreadableError, AdapterTensorsEmptyError,
    AdapterDtypeError and AdapterNamesAmbiguousError, or the weights file's first defect.
    """
    place = str(adapter_dir) if is_s3_uri(str(adapter_dir)) else str(Path(adapter_dir).absolute())
    raw = read_json(whole(CONFIG, reader.pin(f"{place}/{CONFIG}")), reader)
    config = _config(raw, f"{place}/{CONFIG}")
    weights = _open_weights(place, reader)
    _refuse_empty(weights, place)
    _refuse_other_dtypes(weights, FLOAT_DTYPES if config.peft_type == "LORA" else tuple(TORCH_NAMES))
    names = read_names(weights.names())
    modules, unknown = names.by_module()
    notes = [*names.notes, *_default_notes(config, raw)]
    return Adapter(config, raw, weights, modules, names.stored, unknown, tuple(notes))


def _config(raw: dict[str, Any], path: str) -> AdapterConfig:
    given = {item.name: raw[item.name] for item in fields(AdapterConfig) if raw.get(item.name) is not None}
    for name, value in given.items():
        texts = value if name in _NAMES and isinstance(value, list) else ()
        if name in _TYPES and not (isinstance(value, _TYPES[name]) and all(isinstance(text, str) for text in texts)):
            raise AdapterConfigError(path, f"{name} = {json.dumps(value)}")
    if "peft_type" not in given:
        raise AdapterConfigError(path, "no peft_type")
    if given["peft_type"] == "LORA":
        _check_patterns(given, path)
    return AdapterConfig(**given)


def _check_patterns(given: Mapping[str, Any], path: str) -> None:
    for name, of in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha")):
        for pattern, value in given.get(name, {}).items():
            if not isinstance(value, _TYPES[of]):
                raise AdapterConfigError(path, f"{name} = {json.dumps({pattern: value})}")


def _default_notes(config: AdapterConfig, raw: Mapping[str, Any]) -> list[str]:
    if config.peft_type != "LORA" or raw.get("lora_alpha") is not None:
        return []
    return [f"adapter_config.json does not say lora_alpha; {config.lora_alpha} was taken, as peft does."]


def _refuse_empty(weights: LazyTensors, folder: str) -> None:
    names = weights.names()
    empty = [name for name in names if 0 in weights.shape(name)]
    if empty or not names:
        found = f"no element in {len(empty)} of {len(names)} tensors: {first(empty)}" if names else "no tensor"
        raise AdapterTensorsEmptyError(folder, found)


def _refuse_other_dtypes(weights: LazyTensors, usable: tuple[str, ...]) -> None:
    dtypes = {name: weights.dtype(name) for name in weights.names()}
    others = [name for name, dtype in dtypes.items() if dtype not in usable]
    if others:
        raise AdapterDtypeError(first(others), ", ".join(usable), ", ".join(sorted({dtypes[name] for name in others})))


def _open_weights(place: str, reader: RangeReader) -> LazyTensors:
    if is_s3_uri(place) or Path(place, WEIGHTS).exists():
        return _SafetensorsWeights(f"{place}/{WEIGHTS}", reader)
    if Path(place, PICKLED_WEIGHTS).exists():
        return _PickledWeights(Path(place, PICKLED_WEIGHTS))
    raise AdapterWeightsMissingError(place, f"{WEIGHTS} or {PICKLED_WEIGHTS}")


class _SafetensorsWeights:
    def __init__(self, uri: str, reader: RangeReader) -> None:
        file = whole(WEIGHTS, reader.pin(uri))
        header = read_header(file, reader)
        self._reader = reader
        self._stored = {e.name: StoredTensor(e, file, header.data_start + e.begin) for e in header.tensors}

    def names(self) -> tuple[str, ...]:
        return tuple(self._stored)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._stored[name].entry.shape

    def dtype(self, name: str) -> str:
        return self._stored[name].entry.dtype

    def tensor(self, name: str) -> torch.Tensor:
        stored = self._stored[name]
        data = stored.read(0, stored.entry.size, self._reader)
        return from_bytes(data, stored.entry.dtype, stored.entry.shape)


class _PickledWeights:
    def __init__(self, path: Path) -> None:
        self._state = _unpickled(path)

    def names(self) -> tuple[str, ...]:
        return tuple(self._state)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._state[name].shape)

    def dtype(self, name: str) -> str:
        return dtype_of(self._state[name])

    def tensor(self, name: str) -> torch.Tensor:
        return self._state[name].detach()


def _unpickled(path: Path) -> dict[str, torch.Tensor]:
    import torch

    with path.open("rb") as file:
        refuse_placeholder(path.name, file.read(len(POINTER)))
    try:
        is_zip = zipfile.is_zipfile(path)  # it raises BadZipFile for some damaged files
        if is_zip:
            open_torch_archive(path)
        # weights_only: a pickle can run any code, this unpickler only builds tensors. The format of torch before 1.6 is
        # no zip file and cannot be mapped.
        state = torch.load(path, weights_only=True, mmap=is_zip, map_location="cpu")
    except PickleRefusedError as error:
        raise AdapterUnreadableError(str(path), error.found) from error
    except Exception as error:  # what torch raises for a damaged file is of many kinds
        reason = str(error).partition("\n")[0]
        raise AdapterUnreadableError(str(path), f"{type(error).__name__}: {reason}") from error
    if not isinstance(state, dict):
        raise AdapterUnreadableError(str(path), type(state).__name__)
    kinds = {f"{name} ({type(value).__name__})": isinstance(value, torch.Tensor) for name, value in state.items()}
    others = [entry for entry, is_tensor in kinds.items() if not is_tensor]
    if others:
        raise AdapterUnreadableError(str(path), f"{len(others)} entries that are no tensors: {first(others)}")
    _refuse_inflated(path, state)
    return state


def _refuse_inflated(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Refuse tensors whose strides repeat stored bytes; two tensors may share a storage, as embedding and head do."""
    size, limit = sum(tensor.nbytes for tensor in state.values()), 2 * path.stat().st_size
    if size > limit:
        raise AdapterUnreadableError(str(path), f"tensors of {size} bytes, more than twice the file's")
