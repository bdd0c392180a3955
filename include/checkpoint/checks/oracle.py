"""What Bedrock's transformers expects of a checkpoint: config.json's model, built on the meta device without memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Counts of parts that make building a model slow; each part has at least one tensor.
_COUNTS = re.compile(r"(num_|n_)?(hidden_|decoder_|encoder_|global_|local_)?(layers?|depth|experts)")


class UnknownArchitectureError(Exception):
    """transformers does not have this model; internal to the validation."""


@dataclass(frozen=True)
class ExpectedTensors:
    """Names that share one matrix are one group; ``ignored`` are patterns of names that may be there or not."""

    shapes: dict[str, tuple[int, ...]]
    groups: tuple[frozenset[str], ...]
    optional: frozenset[str]
    ignored: tuple[str, ...]


def excessive_counts(config: Mapping[str, Any], tensors: int) -> Iterator[tuple[str, int]]:
    """The fields that ask for more layers or experts than there are tensors; such a model is not worth building."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from excessive_counts(value, tensors)
        elif isinstance(value, int) and value > tensors and _COUNTS.fullmatch(name):
            yield name, value


def load_transformers() -> None:
    """Import what ``expected_tensors`` uses; it takes seconds, which can pass while a disk is written to."""
    import transformers.modeling_utils  # noqa: F401


def expected_tensors(config: Mapping[str, Any]) -> ExpectedTensors:
    """The tensors of the model that ``config`` describes.

    Raises UnknownArchitectureError, and whatever transformers raises for values it cannot use.
    """
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if config["model_type"] not in CONFIG_MAPPING:
        raise UnknownArchitectureError(config["model_type"])
    model_class = getattr(transformers, config["architectures"][0], None)
    if model_class is None:
        raise UnknownArchitectureError(config["architectures"][0])
    with torch.device("meta"), transformers.modeling_utils.no_init_weights():
        model = model_class(CONFIG_MAPPING[config["model_type"]].from_dict(dict(config)))
        model.tie_weights()
    parameters: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        parameters.setdefault(id(parameter), set()).add(name)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    named = {name for group in parameters.values() for name in group}
    return ExpectedTensors(
        shapes=shapes,
        groups=tuple(frozenset(group) for group in parameters.values()),
        optional=frozenset(shapes.keys() - named),
        ignored=tuple(model._keys_to_ignore_on_load_unexpected or ()),
    )
