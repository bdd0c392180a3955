"""Check an adapter's tensors against its configuration and the base: nothing is missing or left over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from include.checkpoint.files.safetensors_header import TensorEntry
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.adapter_targets import is_saved_whole, is_targeted
from include.checkpoint.lora.errors import (
    AdapterBiasUnplacedError,
    AdapterIncompleteError,
    AdapterRankMismatchError,
    AdapterTargetMissingError,
    AdapterTensorShapeError,
    AdapterTensorUnusedError,
    first,
)

HEAD = "lm_head"
# The part of an adapter whose modules are whole tensors, under their own names.
WHOLE = "whole"
_PAIRS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"))
# The parts that together change a module, each set with what may be beside it.
_FORMS = (
    (frozenset(_PAIRS[0]), frozenset({"magnitude", "lora_bias", "bias", "base_weight"})),
    (frozenset(_PAIRS[1]), frozenset({"magnitude", "base_weight"})),
    (frozenset({"token_rows"}), frozenset({"base_weight"})),
    (frozenset({"weight"}), frozenset({"bias"})),
    (frozenset({"bias"}), frozenset({"base_weight"})),
    (frozenset({"base_weight"}), frozenset[str]()),
    (frozenset({WHOLE}), frozenset[str]()),
)

Tensors = Mapping[str, TensorEntry]


def refuse_missing_parameters(adapter: Adapter, tensors: Tensors) -> None:
    """Raise AdapterTargetMissingError where target_parameters names what the base does not have."""
    for name in adapter.config.target_parameters or ():
        if not any(tensor == name or tensor.endswith(f".{name}") for tensor in tensors):
            experts = [tensor for tensor in tensors if ".experts." in tensor]
            raise AdapterTargetMissingError(name, first(experts) if experts else f"{len(tensors)} other tensors")


def refuse_wrong_tensors(adapter: Adapter, tensors: Tensors) -> None:
    """Raise if the adapter's tensors do not have the kinds and ranks of its configuration.

    Raises AdapterTensorUnusedError, AdapterRankMismatchError, AdapterTensorShapeError, AdapterIncompleteError and
    AdapterBiasUnplacedError.
    """
    _refuse_left_over(adapter)
    _refuse_other_shapes(adapter)
    _refuse_missing_parts(adapter)
    _refuse_unplaced_bias(adapter, tensors)


def refuse_incomplete(adapter: Adapter, tensors: Tensors) -> None:
    """Raise AdapterIncompleteError where a module of this base that the configuration names has no tensors.

    Raises AdapterTensorUnusedError where the adapter has tensors for a module that it does not name.
    """
    _refuse_missing_pairs(adapter, tensors)
    _refuse_missing("modules_to_save", _saved_whole(adapter, tensors), adapter)
    _refuse_missing(f'bias = "{adapter.config.bias}"', _trained_biases(adapter, tensors), adapter)
    _refuse_missing("trainable_token_indices", _token_modules(adapter, tensors), adapter)


def _has_pair(parts: Mapping[str, str]) -> bool:
    return any(left in parts and right in parts for left, right in _PAIRS)


def _refuse_left_over(adapter: Adapter) -> None:
    left = list(adapter.unknown)
    for parts in adapter.modules.values():
        form = next((needed | more for needed, more in _FORMS if needed <= parts.keys()), None)
        left += [stored for part, stored in parts.items() if form is not None and part not in form]
    if left:
        raise AdapterTensorUnusedError(first(left), "tensors of a LoRA", f"{len(left)} others")


def _refuse_missing_pairs(adapter: Adapter, tensors: Tensors) -> None:
    config = adapter.config
    pairs = {module for module, parts in adapter.modules.items() if _has_pair(parts)}
    modules = _matrices(tensors)
    if config.ensure_weight_tying:
        # peft makes the head's pair from the embedding's, and versions of it differ in whether they save it.
        modules = [module for module in modules if module != HEAD]
        pairs -= {HEAD}
    if config.target_modules:
        targets = [module for module in modules if is_targeted(config, module)]
        unnamed = sorted(module for module in pairs if not is_targeted(config, module))
    else:
        # A configuration written by hand may lack target_modules; then what is in one layer must be in each.
        kinds = {module.rpartition(".")[2] for module in pairs}
        targets, unnamed = [module for module in modules if module.rpartition(".")[2] in kinds], []
    missing = [module for module in targets if module not in pairs]
    if missing:
        found = f"{len(targets) - len(missing)}, none for {first(missing)}"
        raise AdapterIncompleteError("target_modules", f"a LoRA pair for each of {len(targets)} modules", found)
    if unnamed:
        found = f"pairs for {len(unnamed)} others: {first(unnamed)}"
        raise AdapterTensorUnusedError("target_modules", f"LoRA pairs for {config.target_modules} only", found)


def _matrices(tensors: Tensors) -> list[str]:
    """Return the modules that LoRA can act on; a tied head has no tensor of its own."""
    names = [name.removesuffix(".weight") for name, entry in tensors.items() if len(entry.shape) > 1]
    return [*names, HEAD] if _has_no_head(tensors) else names


def _has_no_head(tensors: Tensors) -> bool:
    return not any(name.endswith(f"{HEAD}.weight") for name in tensors)


def _refuse_other_shapes(adapter: Adapter) -> None:
    for module, parts in adapter.modules.items():
        for part in ("token_rows", "base_weight"):
            if part in parts and len(adapter.shape(module, part)) != 2:
                raise AdapterTensorShapeError(parts[part], "two dimensions", f"{adapter.shape(module, part)}")
        for left, right in _PAIRS:
            if left in parts and right in parts:
                _refuse_other_pair(adapter, module, left, right)


def _refuse_other_pair(adapter: Adapter, module: str, left: str, right: str) -> None:
    parts = adapter.modules[module]
    rank = adapter.config.rank(module)
    for part, at in ((left, 0), (right, 1)):
        shape = adapter.shape(module, part)
        if len(shape) != 2:
            raise AdapterTensorShapeError(parts[part], "two dimensions", f"{shape}")
        if shape[at] != rank:
            raise AdapterRankMismatchError(parts[part], rank, shape[at])
    rows = adapter.shape(module, right)[0]
    if "magnitude" in parts and left == "lora_A" and adapter.shape(module, "magnitude") != (rows,):
        raise AdapterTensorShapeError(parts["magnitude"], f"({rows},)", f"{adapter.shape(module, 'magnitude')}")


def _refuse_missing_parts(adapter: Adapter) -> None:
    """Check that each pair has a DoRA magnitude and a bias if and only if the configuration says so."""
    pairs = {module: parts for module, parts in adapter.modules.items() if _has_pair(parts)}
    for setting, part, wanted in (
        ("use_dora", "magnitude", adapter.config.use_dora),
        ("lora_bias", "lora_bias", adapter.config.lora_bias),
    ):
        # A bias of LoRA on an embedding does not exist.
        expected = [module for module, parts in pairs.items() if part == "magnitude" or "lora_A" in parts]
        having = [module for module in expected if part in pairs[module]]
        lacking = [module for module in expected if part not in pairs[module]]
        if wanted and lacking:
            found = f"{len(having)}, none for {first(lacking)}"
            raise AdapterIncompleteError(setting, f"a {part} tensor for each of {len(expected)} modules", found)
        if having and not wanted:
            raise AdapterTensorUnusedError(first(having), f"no {part}, as {setting} is false", f"{len(having)}")


def _refuse_unplaced_bias(adapter: Adapter, tensors: Tensors) -> None:
    trained = [module for module, parts in adapter.modules.items() if "lora_bias" in parts]
    without = [module for module in trained if f"{module}.weight" in tensors and f"{module}.bias" not in tensors]
    if without:
        raise AdapterBiasUnplacedError("lora_bias", f"no bias in {len(without)} layers: {first(without)}")


def _refuse_missing(setting: str, wanted: Iterable[tuple[str, str]], adapter: Adapter) -> None:
    """Check that the adapter holds each of these (module, part)."""
    wanted = list(wanted)
    missing = [module for module, part in wanted if part not in adapter.modules.get(module, {})]
    if missing:
        found = f"{len(wanted) - len(missing)}, none for {first(missing)}"
        raise AdapterIncompleteError(setting, f"{len(wanted)} trained tensors", found)


def _saved_whole(adapter: Adapter, tensors: Tensors) -> Iterator[tuple[str, str]]:
    names = [*tensors, f"{HEAD}.weight"] if _has_no_head(tensors) else [*tensors]
    for name in names:
        module, _, part = name.rpartition(".")
        if part in ("weight", "bias") and is_saved_whole(adapter.config, module):
            yield module, part


def _trained_biases(adapter: Adapter, tensors: Tensors) -> Iterator[tuple[str, str]]:
    for name in tensors:
        module, _, part = name.rpartition(".")
        with_pair = _has_pair(adapter.modules.get(module, {}))
        if part == "bias" and (adapter.config.bias == "all" or (adapter.config.bias == "lora_only" and with_pair)):
            yield module, part


def _token_modules(adapter: Adapter, tensors: Tensors) -> Iterator[tuple[str, str]]:
    indices = adapter.config.trainable_token_indices or []
    names = tuple(indices) if isinstance(indices, dict) else ("embed_tokens",)
    for name in tensors if indices else ():
        module, _, part = name.rpartition(".")
        if part == "weight" and module.endswith(names):
            yield module, "token_rows"
