"""Map an adapter's tensor names to peft's own: without the prefixes of wrappers and trainers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from include.checkpoint.files.wrappers import ROOT_WRAPPER, ROOT_WRAPPER_ORIGIN, WRAPPERS
from include.checkpoint.lora.errors import AdapterNamesAmbiguousError

PREFIX = "base_model.model."
_WRAPPED = re.compile(rf"(?:^|(?<=\.))({'|'.join(map(re.escape, WRAPPERS))})\.")
_WRAPPED_ROOT = re.compile(rf"^((?:base_model\.(?:model\.)?)?)({ROOT_WRAPPER})\.")
# peft's copy of a module of modules_to_save as it was before the training.
_UNTRAINED_COPY = ".original_module."
_ADAPTER_NAME = re.compile(
    r"\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|trainable_tokens_delta)"
    r"\.(?!(?:weight|bias)$)([^.]+)(?=\.(?:weight|bias)$|$)"
)
# Suffix of a tensor's name → which part of its module's change it is.
_PARTS = (
    (".lora_A.weight", "lora_A"),
    (".lora_B.weight", "lora_B"),
    (".lora_B.bias", "lora_bias"),
    (".lora_embedding_A", "lora_embedding_A"),
    (".lora_embedding_B", "lora_embedding_B"),
    (".lora_magnitude_vector.weight", "magnitude"),
    (".lora_magnitude_vector", "magnitude"),
    (".token_adapter.base_layer.weight", "base_weight"),
    (".base_layer.weight", "base_weight"),
    (".base_layer.bias", "bias"),
    (".token_adapter.trainable_tokens_delta", "token_rows"),
    (".weight", "weight"),
    (".bias", "bias"),
)


@dataclass(frozen=True)
class TensorNames:
    """``stored`` maps peft's name to the one in the file; ``notes`` name the removed prefixes."""

    stored: dict[str, str]
    notes: tuple[str, ...] = ()

    def by_module(self) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
        """Return module of the base → part → name in the file, and the names that are not part of a LoRA."""
        modules: dict[str, dict[str, str]] = {}
        unknown = []
        for name, stored in self.stored.items():
            plain = name.removeprefix(PREFIX)
            suffix, part = next((part for part in _PARTS if plain.endswith(part[0])), ("", ""))
            module = plain.removesuffix(suffix)
            if not part or ".lora_" in module or part in modules.get(module, {}):
                unknown.append(stored)
            else:
                modules.setdefault(module, {})[part] = stored
        return modules, tuple(unknown)


def read_names(names: Iterable[str]) -> TensorNames:
    """Return peft's names of the tensors; raises AdapterNamesAmbiguousError if two tensors get one name."""
    stored: dict[str, str] = {}
    wrappers: Counter[str] = Counter()
    copies = 0
    names = tuple(names)
    saved_module = _saved_module(_adapter_name(names))
    for name in names:
        if _UNTRAINED_COPY in name:
            copies += 1
            continue
        plain, found = _without_wrappers(name)
        wrappers.update(set(found))
        plain = saved_module.sub(".", _ADAPTER_NAME.sub(r".\1", plain))
        if plain in stored:
            raise AdapterNamesAmbiguousError(plain, f"{stored[plain]} and {name}")
        stored[plain] = name
    notes = [
        f"{count} of {len(names)} tensor names of the adapter contain {wrapper!r}, which "
        f"{WRAPPERS.get(wrapper, ROOT_WRAPPER_ORIGIN)} adds; they were read without it."
        for wrapper, count in wrappers.items()
    ]
    if copies:
        notes.append(f"{copies} tensors of the adapter are untrained copies (original_module); they were left out.")
    return TensorNames(stored, tuple(notes))


def _without_wrappers(name: str) -> tuple[str, list[str]]:
    found = _WRAPPED.findall(name)
    name = _WRAPPED.sub("", name)
    while match := _WRAPPED_ROOT.match(name):
        found.append(match[2])
        name = match[1] + name[match.end() :]
    return name, found


def _adapter_name(names: Iterable[str]) -> str:
    found = sorted({match[2] for name in names for match in _ADAPTER_NAME.finditer(name)})
    if len(found) > 1:
        raise AdapterNamesAmbiguousError("several adapters in one file", ", ".join(found))
    return found[0] if found else "default"


def _saved_module(adapter_name: str) -> re.Pattern[str]:
    return re.compile(rf"\.modules_to_save\.(?:(?:default|{re.escape(adapter_name)})\.)?")
