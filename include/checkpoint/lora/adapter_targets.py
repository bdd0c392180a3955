"""Find the modules of a base model that an adapter's configuration targets, by peft's rules."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from include.checkpoint.lora.adapter import AdapterConfig
from include.checkpoint.lora.name_patterns import around, compiled, layer_number

ALL_LINEAR = "all-linear"
_NOT_LINEAR = re.compile(r"(.*\.)?([^.]*embed[^.]*|wte|wpe|shared|relative_attention_bias|lm_head)")


def is_targeted(config: AdapterConfig, module: str) -> bool:
    """Return whether LoRA acts on this module: peft's ``check_target_module_exists``."""
    if _is_excluded(config, module):
        return False
    targets = config.target_modules or []
    if isinstance(targets, str):
        if targets.lower() == ALL_LINEAR:
            return not _NOT_LINEAR.fullmatch(module)
        return compiled(targets).fullmatch(module) is not None
    if module in targets:
        return True
    return _ends_with(module, targets) and _in_layers(config, module)


def is_saved_whole(config: AdapterConfig, module: str) -> bool:
    """Return whether modules_to_save names this module or one around it."""
    path = module.split(".")
    around = [".".join(path[:count]) for count in range(1, len(path) + 1)]
    return any(name.endswith(tuple(config.modules_to_save or ())) for name in around)


def _is_excluded(config: AdapterConfig, module: str) -> bool:
    excluded = config.exclude_modules or []
    if isinstance(excluded, str):
        if compiled(excluded).fullmatch(module):
            return True
    elif module in excluded or _ends_with(module, excluded):
        return True
    return any(compiled(around(name)).match(module) for name in config.modules_to_save or ())


def _ends_with(module: str, names: Collection[str]) -> bool:
    return any(module.endswith(f".{name}") for name in names)


def _in_layers(config: AdapterConfig, module: str) -> bool:
    layers = config.layers_to_transform
    if layers is None or layers == []:
        return True
    given = config.layers_pattern
    patterns: Sequence[str | None] = ([given] if isinstance(given, str) else given) or [None]
    matches = (compiled(layer_number(pattern)).match(module) for pattern in patterns)
    match = next(filter(None, matches), None)
    return match is not None and int(match[1]) in ([layers] if isinstance(layers, int) else layers)
