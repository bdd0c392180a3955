"""Adapters made by peft, and what may have happened to them before they are merged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.merging import MergeResult, merge
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import make_model, save_adapter

Tensors = dict[str, torch.Tensor]
Edit = Callable[[Tensors], Tensors]
WHOLE_LORA = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}


def make_adapter(folder: Path, family: str = "mistral", **lora: Any) -> Path:
    """A LoRA on q and v, with these settings."""
    return save_adapter(make_model(family), folder, LoraConfig(**WHOLE_LORA | lora))


def edit_adapter(adapter: Path, edit: Edit = dict, **settings: Any) -> Path:
    """The adapter with changed tensors and settings; None removes a setting."""
    weights, config = adapter / "adapter_model.safetensors", adapter / "adapter_config.json"
    save_file({name: tensor.contiguous() for name, tensor in edit(load_file(weights)).items()}, weights)
    edited = json.loads(config.read_text()) | settings
    config.write_text(json.dumps({name: value for name, value in edited.items() if value is not None}))
    return adapter


def without(part: str) -> Edit:
    """Leaves out the tensors with this in their names."""
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def renamed(old: str, new: str) -> Edit:
    """Puts one string in the names in place of another."""
    return lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()}


def merge_to_folder(base: Path, adapter: Path, folder: Path) -> MergeResult:
    """Merge into ``folder / "ours"``."""
    result = merge(checkpoint_of_folder(base), adapter, folder / "overlay")
    materialize(result.checkpoint, folder / "ours")
    return result
