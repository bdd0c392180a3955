"""LoRA on the joined experts of transformers 5, as LoRA on each expert of the base.

transformers 5 holds a layer's experts in two parameters, ``gate_up_proj`` and ``down_proj`` of shape (experts,
outputs, inputs), and peft trains them by ``target_parameters``: for expert e of E, delta = B[:, e::E] @ A[e*r:(e+1)*r],
times the scaling (``ParamWrapper`` in peft's ``lora/layer.py``). Bedrock's transformers holds each expert's matrices
alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from include.checkpoint.files.safetensors_header import TensorEntry
from include.checkpoint.lora.adapter import Adapter, AdapterConfig, LazyTensors
from include.checkpoint.lora.adapter_names import PREFIX
from include.checkpoint.lora.adapter_targets import ALL_LINEAR
from include.checkpoint.lora.errors import AdapterTensorShapeError

if TYPE_CHECKING:
    import torch

# Joined parameter → its matrices in an expert of the base, in the order in which their rows are stacked: Mixtral's
# names, and the others'.
_MATRICES = {
    "gate_up_proj": (("w1", "w3"), ("gate_proj", "up_proj")),
    "down_proj": (("w2",), ("down_proj",)),
}
_EXPERTS = re.compile(r"(.+\.experts)((?:\.base_layer)*)")
_MIXTRAL = (".mlp.experts", ".block_sparse_moe.experts")
_NOTE = "The adapter was trained on the joined experts of transformers 5; it was merged into each expert of the base."
# Tensors of one layer's experts, which are read over and over for each expert.
_KEPT = 4


@dataclass(frozen=True)
class _Slice:
    """What of two stored tensors, A and B of a joined parameter, is one factor of one expert's matrix."""

    joined_a: str
    joined_b: str
    factor: str
    expert: int
    experts: int
    rows: slice
    shape: tuple[int, ...]
    is_swapped: bool

    @property
    def stored(self) -> str:
        """The tensor that it is cut from; the earlier order of peft has the factors the other way round."""
        return self.joined_a if (self.factor == "lora_A") != self.is_swapped else self.joined_b

    def cut(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the factor from the stored tensor."""
        if self.stored == self.joined_a:
            cut = tensor.view(self.experts, -1, tensor.shape[1])[self.expert]
        else:
            cut = tensor.view(tensor.shape[0], -1, self.experts)[:, :, self.expert]
        cut = cut.T if self.is_swapped else cut
        return (cut[self.rows] if self.factor == "lora_B" else cut).contiguous()


class _SplitTensors:
    """The tensors of an adapter, with those of each expert in place of the joined ones."""

    def __init__(self, weights: LazyTensors, slices: Mapping[str, _Slice]) -> None:
        self._weights, self._slices = weights, slices
        self._kept: dict[str, torch.Tensor] = {}

    def names(self) -> tuple[str, ...]:
        joined = {name for part in self._slices.values() for name in (part.joined_a, part.joined_b)}
        return (*(name for name in self._weights.names() if name not in joined), *self._slices)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._slices[name].shape if name in self._slices else self._weights.shape(name)

    def dtype(self, name: str) -> str:
        return self._weights.dtype(self._slices[name].stored if name in self._slices else name)

    def tensor(self, name: str) -> torch.Tensor:
        if name not in self._slices:
            return self._weights.tensor(name)
        stored = self._slices[name].stored
        if stored not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[stored] = self._weights.tensor(stored)
        return self._slices[name].cut(self._kept[stored])


def split_joined_experts(adapter: Adapter, tensors: Mapping[str, TensorEntry]) -> Adapter:
    """Return the adapter with LoRA on each expert in place of the joined ones that this base has not.

    It stays as it is where it has none, or its settings name layers and ranks in a way that another name would change.
    Raises AdapterTensorShapeError where a pair fits none of the joined parameters, or can be read in two ways.
    """
    config = adapter.config
    joined = [name for name in config.target_parameters or () if _is_joined(name, tensors)]
    if not joined or config.rank_pattern or config.alpha_pattern or config.layers_to_transform is not None:
        return adapter
    slices: dict[str, _Slice] = {}
    replaced = [module for module in adapter.modules if _EXPERTS.fullmatch(module)]
    if not replaced:
        return adapter
    for module in replaced:
        slices |= _slices(adapter, module, joined, tensors)
    modules = {name: dict(parts) for name, parts in adapter.modules.items() if name not in replaced}
    gone = {stored for module in replaced for stored in adapter.modules[module].values()}
    names = {name: stored for name, stored in adapter.names.items() if stored not in gone}
    for name in slices:
        module, _, factor = name.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")
        modules.setdefault(module, {})[factor] = names[name] = name
    settings: dict[str, Any] = {
        "target_parameters": [name for name in config.target_parameters or () if name not in joined] or None,
        "target_modules": _targets(config, modules, _named_matrices(joined, tensors)),
    }
    return replace(
        adapter,
        config=replace(config, **settings),
        raw_config={**adapter.raw_config, **settings},
        weights=_SplitTensors(adapter.weights, slices),
        modules=modules,
        names=names,
        notes=(*adapter.notes, _NOTE),
    )


def _is_joined(name: str, tensors: Collection[str]) -> bool:
    return name.rpartition(".")[2] in _MATRICES and not any(tensor.endswith(f".{name}") for tensor in tensors)


@dataclass(frozen=True)
class _Joined:
    """A joined parameter as the base has it: matrices of each expert, with their rows, below ``prefix``."""

    prefix: str
    experts: int
    matrices: dict[str, int]
    columns: int
    is_swapped: bool


def _named_matrices(joined: list[str], tensors: Collection[str]) -> set[str]:
    """Return the base's names of all matrices that the configuration names, whether the adapter has them or not."""
    named = {matrix for name in joined for group in _MATRICES[name.rpartition(".")[2]] for matrix in group}
    experts = {parts[-2] for tensor in tensors if ".experts." in tensor and len(parts := tensor.split(".")) > 1}
    return named & experts


def _slices(adapter: Adapter, module: str, names: list[str], tensors: Mapping[str, TensorEntry]) -> dict[str, _Slice]:
    parts, found = adapter.modules[module], {}
    shape_a, shape_b = adapter.shape(module, "lora_A"), adapter.shape(module, "lora_B")
    joined = _the_one(parts["lora_A"], shape_a, shape_b, list(_fitting(module, names, shape_a, shape_b, tensors)))
    rank = shape_a[0] // joined.experts
    for expert in range(joined.experts):
        start = 0
        for matrix, rows in joined.matrices.items():
            place = expert, joined.experts, slice(start, start + rows)
            for factor, shape in (("lora_A", (rank, joined.columns)), ("lora_B", (rows, rank))):
                cut = _Slice(parts["lora_A"], parts["lora_B"], factor, *place, shape, joined.is_swapped)
                found[f"{PREFIX}{joined.prefix}.{expert}.{matrix}.{factor}.weight"] = cut
            start += rows
    return found


def _the_one(tensor: str, shape_a: tuple[int, ...], shape_b: tuple[int, ...], fitting: list[_Joined]) -> _Joined:
    if len(fitting) != 1:
        expected = "a pair for the inputs and outputs of one joined parameter of the base, in one way"
        raise AdapterTensorShapeError(tensor, expected, f"{shape_a} and {shape_b}, which fit in {len(fitting)} ways")
    return fitting[0]


def _fitting(
    module: str,
    names: list[str],
    shape_a: tuple[int, ...],
    shape_b: tuple[int, ...],
    tensors: Mapping[str, TensorEntry],
) -> Iterator[_Joined]:
    """Yield each joined parameter of the base that this pair can be of."""
    own = _EXPERTS.sub(r"\1", module)
    for prefix in dict.fromkeys((own, own.replace(*_MIXTRAL))):
        for group in (group for name in names for group in _MATRICES[name.rpartition(".")[2]]):
            entries = [tensors.get(f"{prefix}.0.{matrix}.weight") for matrix in group]
            shapes = [entry.shape for entry in entries if entry is not None]
            if len(shapes) != len(group):
                continue
            rows, columns = sum(shape[0] for shape in shapes), shapes[0][1]
            experts = next(n for n in range(1, len(tensors) + 1) if f"{prefix}.{n}.{group[0]}.weight" not in tensors)
            matrices = {matrix: shape[0] for matrix, shape in zip(group, shapes, strict=True)}
            if shape_a[0] == shape_b[1] and shape_a[0] % experts == 0:
                for order, is_swapped in (((columns, rows), False), ((rows, columns), True)):
                    if (shape_a[1], shape_b[0]) == order:
                        yield _Joined(prefix, experts, matrices, columns, is_swapped)


def _targets(config: AdapterConfig, modules: Collection[str], matrices: Collection[str]) -> str:
    """Return target_modules as an expression that matches the matrices of the experts, too."""
    experts = rf".*\.experts\.\d+\.({'|'.join(sorted(matrices))})"
    given: Any = config.target_modules or []
    if isinstance(given, str) and given.lower() != ALL_LINEAR:
        return f"({given})|{experts}"
    if isinstance(given, str):  # of the joined layout; the experts' matrices are linear layers in this one only
        given = sorted({name.rpartition(".")[2] for name in modules} - set(matrices))
    return rf"(.*\.)?({'|'.join(map(re.escape, given))})|{experts}" if given else experts
