"""Build the model that a configuration describes on the meta device, which takes no memory for its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What older versions saved of a rotary embedding, which is computed.
_ROTARY = "rotary_emb.inv_freq"


def expected_tensors(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``oracle.ExpectedTensors``, or ``unknown``, the name that transformers does not have.

    Raises whatever transformers raises for values it cannot use.
    """
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if config["model_type"] not in CONFIG_MAPPING:
        return {"unknown": config["model_type"]}
    model_class = getattr(transformers, config["architectures"][0], None)
    if model_class is None:
        return {"unknown": config["architectures"][0]}
    with torch.device("meta"), transformers.modeling_utils.no_init_weights():
        model = model_class(CONFIG_MAPPING[config["model_type"]].from_dict(dict(config)))
        model.tie_weights()
    parameters: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        parameters.setdefault(id(parameter), set()).add(name)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    named = {name for group in parameters.values() for name in group}
    return {
        "shapes": shapes,
        "groups": [sorted(group) for group in parameters.values()],
        "optional": sorted(shapes.keys() - named),
        "ignored": [*(model._keys_to_ignore_on_load_unexpected or ()), *_skipped_buffers(model)],
    }


def _skipped_buffers(model: Any) -> list[str]:
    """Return patterns of what from_pretrained() skips where the model has it itself."""
    return [re.escape(_ROTARY)] if any(name.endswith(_ROTARY) for name, _ in model.named_buffers()) else []
