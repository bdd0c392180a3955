"""Checkpoints: adapter, optimizer and position in one file, written so that a kill leaves whole files only.

One file, because SageMaker copies the folder to S3 while it is written: an object in S3 is whole or not there. The
base model is not in it, and the state of random numbers follows from seed, step and process.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

FORMAT = "training-checkpoint/1"
KEPT = 2
_NAME = "step-{:09d}.safetensors"
_PATTERN = "step-*.safetensors"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Checkpoint:
    """The tensors by name, and what else must be known to go on from ``step``, as JSON values."""

    step: int
    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, remove all but the last two, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _NAME.format(checkpoint.step)
    unfinished = path.with_name(f".{path.name}{_UNFINISHED}")
    metadata = {
        "format": FORMAT,
        "digest": _digest(checkpoint.tensors),
        "step": str(checkpoint.step),
        "state": json.dumps(checkpoint.state),
    }
    save_file(checkpoint.tensors, unfinished, metadata=metadata)
    _sync(unfinished)
    unfinished.replace(path)
    _sync(folder)
    for old in sorted(folder.glob(_PATTERN))[:-KEPT]:
        old.unlink()
    return path


def last_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest whole checkpoint, None without one, and why each newer file is passed over.

    Files that a kill left unfinished are removed.
    """
    for unfinished in folder.glob(f".*{_UNFINISHED}"):
        unfinished.unlink()
    damaged: list[str] = []
    for path in sorted(folder.glob(_PATTERN), reverse=True):
        try:
            return _read(path), damaged
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            damaged.append(f"{path.name}: {error}")
    return None, damaged


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    if metadata.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT}, found {metadata.get('format')}")
    if _digest(tensors) != metadata["digest"]:
        raise ValueError("the tensors do not have the digest that the file names")
    return Checkpoint(int(metadata["step"]), tensors, json.loads(metadata["state"]))


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
