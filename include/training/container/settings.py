"""The settings of a training, read from a JSON file and checked before any work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from include.training.container.errors import SettingsFileError, SettingsInvalidError

LORA, QLORA = "lora", "qlora"
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class Lora:
    """The adapter's shape, with peft's meanings."""

    r: int
    alpha: float
    dropout: float
    target_modules: str | list[str]


@dataclass(frozen=True)
class Settings:
    """What decides the result of a training, beside its data and base model, which are named by their digests.

    ``batch_tokens`` is the size of a step over all processes, so the number of GPUs does not change the result;
    ``warmup`` is a share of the steps. ``dtype`` is bfloat16 on a GPU and float32 on a CPU unless it is set.
    """

    method: str
    seed: int
    max_sequence_length: int
    lora: Lora
    epochs: float
    learning_rate: float
    batch_tokens: int
    warmup: float
    save_minutes: float
    packing: bool
    data_digest: str = ""
    base_digest: str = ""
    base_name: str = ""
    gradient_checkpointing: bool = True
    dtype: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the settings as they are in the file."""
        return asdict(self)


class _Rule(NamedTuple):
    types: tuple[type, ...]
    expected: str
    accepts: Callable[[Any], bool]
    required: bool = True


_NUMBER = (int, float)
_RULES: dict[str, _Rule] = {
    "method": _Rule((str,), "lora or qlora", lambda value: value in (LORA, QLORA)),
    "seed": _Rule((int,), "a whole number from 0 to 4294967295", lambda value: 0 <= value < 2**32),
    "max_sequence_length": _Rule((int,), "a whole number, at least 2", lambda value: value >= 2),
    "lora": _Rule((dict,), "an object", lambda value: True),
    "epochs": _Rule(_NUMBER, "a number above 0, at most 100", lambda value: 0 < value <= 100),
    "learning_rate": _Rule(_NUMBER, "a number above 0, at most 1", lambda value: 0 < value <= 1),
    "batch_tokens": _Rule((int,), "a whole number, at least 2", lambda value: value >= 2),
    "warmup": _Rule(_NUMBER, "a share of the steps, from 0 to below 1", lambda value: 0 <= value < 1),
    "save_minutes": _Rule(_NUMBER, "a number above 0", lambda value: value > 0),
    "packing": _Rule((bool,), "true or false", lambda value: True),
    "data_digest": _Rule((str,), "a text", lambda value: True, required=False),
    "base_digest": _Rule((str,), "a text", lambda value: True, required=False),
    "base_name": _Rule((str,), "a text", lambda value: True, required=False),
    "gradient_checkpointing": _Rule((bool,), "true or false", lambda value: True, required=False),
    "dtype": _Rule(
        (str, type(None)), "bfloat16, float32 or null", lambda value: value in ("bfloat16", "float32", None), False
    ),
}
_LORA_RULES: dict[str, _Rule] = {
    "r": _Rule((int,), "a whole number from 1 to 1024", lambda value: 1 <= value <= 1024),
    "alpha": _Rule(_NUMBER, "a number above 0", lambda value: value > 0),
    "dropout": _Rule(_NUMBER, "a number from 0 to below 1", lambda value: 0 <= value < 1),
    "target_modules": _Rule(
        (str, list),
        f"{ALL_LINEAR}, or a list of layer names",
        lambda value: (
            value == ALL_LINEAR
            or (isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value))
        ),
    ),
}


def read_settings(path: Path) -> Settings:
    """Return the settings in a file.

    Raises:
        SettingsFileError: there is no such file, or it is not a JSON object.
        SettingsInvalidError: names every field that is missing, unknown or out of range.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsFileError(str(path), str(error)) from None
    if not isinstance(values, dict):
        raise SettingsFileError(str(path), type(values).__name__)
    problems = _problems(values, _RULES, "")
    if isinstance(values.get("lora"), dict):
        problems += _problems(values["lora"], _LORA_RULES, "lora.")
    problems += [] if problems else _problems_between(values)
    if problems:
        raise SettingsInvalidError(str(path), problems)
    return Settings(**{**values, "lora": Lora(**values["lora"])})


def _problems(values: Mapping[str, Any], rules: Mapping[str, _Rule], prefix: str) -> list[str]:
    found = [f"{prefix}{name}: there is no such field" for name in values if name not in rules]
    for name, rule in rules.items():
        if name not in values:
            found += [f"{prefix}{name}: missing, expected {rule.expected}"] if rule.required else []
        elif not _fits(values[name], rule):
            found.append(f"{prefix}{name}: expected {rule.expected}, found {json.dumps(values[name])}")
    return found


def _fits(value: Any, rule: _Rule) -> bool:
    # bool is a subclass of int: true is no number here.
    of_type = isinstance(value, rule.types) and (bool in rule.types or not isinstance(value, bool))
    return of_type and rule.accepts(value)


def _problems_between(values: Mapping[str, Any]) -> list[str]:
    longest, batch = values["max_sequence_length"], values["batch_tokens"]
    if batch >= longest:
        return []
    return [f"batch_tokens: expected at least max_sequence_length ({longest}), found {batch}"]
