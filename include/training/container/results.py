"""Writes what a training leaves: the adapter in peft's format, the tokenizer's files, and the training card."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from include.training.container.adapter_model import trained_parameters, whole
from include.training.container.history import History

CARD = "training_card.json"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "safetensors", "accelerate")
_UNFINISHED = ".unfinished"


def training_card(history: History, **facts: Any) -> dict[str, Any]:
    """Return the card: data, base, settings, versions, losses, steps and seconds."""
    return {
        "format": "training-card/1",
        **facts,
        "steps": len(history.train),
        "seconds": round(history.seconds, 3),
        "resumed_at": history.resumed_at,
        "losses": {"train": history.curve(), "held_out": sorted(history.held_out.items())},
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "cuda": torch.version.cuda or "none"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def gathered_adapter(model: Any) -> dict[str, torch.Tensor]:
    """Return the adapter's weights under peft's names; every process must call this."""
    from peft import get_peft_model_state_dict

    weights = {name: whole(parameter) for name, parameter in trained_parameters(model).items()}
    # "auto" would ask the Hub for the base model's configuration; embeddings are not trained here.
    adapter = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
    return {name: tensor.contiguous() for name, tensor in sorted(adapter.items())}


def write_results(folder: Path, model: Any, adapter: dict[str, torch.Tensor], tokenizer: Path, card: Any) -> None:
    """Write the files, each under its name only when it is whole, and the card last: with it the result is complete."""
    unfinished = folder / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    files = [Path(shutil.copy(path, unfinished)) for path in sorted(tokenizer.iterdir()) if path.is_file()]
    files += [_write_config(unfinished, model), unfinished / WEIGHTS, unfinished / CARD]
    save_file(adapter, unfinished / WEIGHTS, metadata={"format": "pt"})
    (unfinished / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    for path in files:
        path.replace(folder / path.name)
    unfinished.rmdir()


def _write_config(folder: Path, model: Any) -> Path:
    model.peft_config["default"].save_pretrained(folder)
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()  # peft keeps them in a set, in any order
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
