"""What Bedrock's transformers expects of a checkpoint: config.json's model, built on the meta device without memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from include.checkpoint.checks.transformers_process import ask_transformers

# Counts of parts that make building a model slow; each part has at least one tensor.
_COUNTS = re.compile(r"(num_|n_)?(hidden_|decoder_|encoder_|global_|local_)?(layers?|depth|experts)")


class UnknownArchitectureError(Exception):
    """transformers does not have this model; internal to the validation."""


class ModelNotBuiltError(Exception):
    """transformers cannot make a model of a configuration; internal to the validation."""


@dataclass(frozen=True)
class ExpectedTensors:
    """Names that share one matrix are one group; ``ignored`` are patterns of names that may be there or not."""

    shapes: dict[str, tuple[int, ...]]
    groups: tuple[frozenset[str], ...]
    optional: frozenset[str]
    ignored: tuple[str, ...]


def excessive_counts(config: Mapping[str, Any], tensors: int) -> Iterator[tuple[str, int]]:
    """Return the fields that ask for more layers or experts than there are tensors; such a model is not built."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from excessive_counts(value, tensors)
        elif isinstance(value, int) and value > tensors and _COUNTS.fullmatch(name):
            yield name, value


def expected_tensors(config: Mapping[str, Any], model_class: str | None) -> ExpectedTensors:
    """Return the tensors of the model that ``config`` describes.

    Args:
        config: the fields of config.json.
        model_class: the supported class that it names, or None.

    Raises:
        UnknownArchitectureError: transformers does not have this model.
        ModelNotBuiltError: it cannot make a model of these values.
    """
    values, ended = ask_transformers("tensors", config=config, preload=model_class)
    found = values[0] if values else {}
    if "unknown" in found:
        raise UnknownArchitectureError(found["unknown"])
    if ended or "problem" in found:
        raise ModelNotBuiltError(ended or found["problem"])
    return ExpectedTensors(
        shapes={name: tuple(shape) for name, shape in found["shapes"].items()},
        groups=tuple(map(frozenset, found["groups"])),
        optional=frozenset(found["optional"]),
        ignored=tuple(found["ignored"]),
    )
