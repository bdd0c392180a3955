"""Compile the regular expressions of an adapter's configuration as peft does.

They are untrusted, and some take exponential time. Trainers write many kinds (those of Unsloth and LLaMA-Factory have
lookaheads), so they are not restricted: they are tried in a limited process on the names that they will be matched
with. An expression that ends there ends here and in peft too.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from include.checkpoint.lora import pattern_trial
from include.checkpoint.lora.errors import AdapterPatternError
from include.limited_process import Limits, run_limited

if TYPE_CHECKING:
    from include.checkpoint.lora.adapter import AdapterConfig

# All of them together: one for each module of the largest models has 100,000.
MAX_CHARACTERS = 1_000_000
MAX_NAME = 1000
TRIAL = Limits(seconds=10, memory_bytes=2**30, output_bytes=2**20)
# Names, and alternatives of them: matched in a time that grows with the name only.
_PLAIN = re.compile(r"\^?[\w./-]+(\|\^?[\w./-]+)*")
# So many plain matches take less time than a process.
_FEW = 1_000_000
# Modules without weights, which peft's expressions meet too.
_WITHOUT_WEIGHTS = ("act_fn", "rotary_emb")


@lru_cache(maxsize=10_000)
def compiled(expression: str) -> re.Pattern[str]:
    """Return the compiled expression; re's own memory holds only 512, fewer than a model has modules."""
    return re.compile(expression)


def ending(key: str) -> str:
    """Return the expression of a key of rank_pattern or alpha_pattern: peft's ``get_pattern_key``."""
    return rf"(.*\.)?({key})$"


def around(name: str) -> str:
    """Return the expression of a name of modules_to_save."""
    return rf"(^|.*\.){name}($|\..*)"


def layer_number(pattern: str | None) -> str:
    """Return the expression that finds a layer's number; None is for a configuration without layers_pattern."""
    # With a pattern the layers may be at the root of the name, without one they are in some part of the model.
    return r".*?\.[^.]*\.(\d+)\." if pattern is None else rf"(?:^|.*?\.){pattern}\.(\d+)\."


def refuse_patterns(config: AdapterConfig, modules: Collection[str]) -> None:
    """Raise AdapterPatternError where an expression is not one, or would take too long on one of these modules."""
    found = dict(_expressions(config))
    if (length := sum(map(len, found))) > MAX_CHARACTERS:
        raise AdapterPatternError("all patterns", f"at most {MAX_CHARACTERS} characters", f"{length}")
    if longest := next((module for module in modules if len(module) > MAX_NAME), None):
        raise AdapterPatternError(f"{longest[:80]}...", f"names of at most {MAX_NAME} characters", f"{len(longest)}")
    for expression, written in found.items():
        _refuse_invalid(expression, written)
    names = sorted(_names(modules))
    if all(_PLAIN.fullmatch(written) for written in found.values()) and len(found) * len(names) < _FEW:
        return
    job = json.dumps({"expressions": list(found), "names": names}).encode()
    with tempfile.TemporaryFile() as output:
        problem = run_limited(pattern_trial.__file__, job, output, TRIAL)
    if problem:
        unusual = [written for written in found.values() if not _PLAIN.fullmatch(written)]
        which = (unusual or ["all patterns"])[0][:200]
        raise AdapterPatternError(which, f"{len(names)} names matched in {TRIAL.seconds} seconds", problem)


def _expressions(config: AdapterConfig) -> Iterator[tuple[str, str]]:
    """Yield each expression that is matched, and what of it is in adapter_config.json."""
    for key in (*config.rank_pattern, *config.alpha_pattern):
        yield ending(key), key
    for name in config.modules_to_save or ():
        yield around(name), name
    for text in (config.target_modules, config.exclude_modules):
        if isinstance(text, str):
            yield text, text
    layers = config.layers_pattern or ()
    for pattern in (layers,) if isinstance(layers, str) else layers:
        yield layer_number(pattern), pattern


def _refuse_invalid(expression: str, written: str) -> None:
    try:
        compiled(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise AdapterPatternError(written[:200], "a regular expression", str(error)) from error


def _names(modules: Iterable[str]) -> set[str]:
    """Return the modules and those around them."""
    found = set(modules)
    for module in modules:
        while module := module.rpartition(".")[0]:
            found.add(module)
    return found | {f"{name}.{inner}" for name in found for inner in _WITHOUT_WEIGHTS if name.count(".") < 4}
