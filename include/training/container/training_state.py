"""Save the state of a training in a checkpoint, and resume from it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from include.training.container.adapter_model import shard_like, trained_parameters, whole
from include.training.container.checkpoints import Checkpoint, last_checkpoint
from include.training.container.errors import CheckpointMismatchError
from include.training.container.history import History
from include.training.container.processes import Processes

MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's state of each weight, beside the number of steps."""
_WEIGHT = "weight"
_LOSSES = "train_losses"
FREE_TO_CHANGE = ("save_minutes", "gradient_checkpointing", "base_name")
"""Settings that a later attempt may change: they do not change the result."""


def capture(model: Any, optimizer: torch.optim.Optimizer, history: History, identity: dict[str, Any]) -> Checkpoint:
    """Return the state after the last step; every process must call this."""
    tensors = {_LOSSES: torch.tensor(history.train, dtype=torch.float64)}
    for name, parameter in trained_parameters(model).items():
        tensors[f"{_WEIGHT}/{name}"] = whole(parameter)
        for moment in MOMENTS:
            tensors[f"{moment}/{name}"] = whole(optimizer.state[parameter][moment])
    rest = {name: value for name, value in asdict(history).items() if name != "train"}
    return Checkpoint(len(history.train), tensors, {"history": rest, "identity": identity})


def resume(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, identity: dict[str, Any], processes: Processes
) -> tuple[History, list[str]]:
    """Put the newest whole checkpoint into model and optimizer, and return its history and what was passed over.

    Only the first process reads the folder: with several machines, the others may not have it.

    Raises:
        CheckpointMismatchError: the checkpoint is of a training with other settings or data.
    """
    checkpoint, damaged = last_checkpoint(folder) if processes.is_first else (None, [])
    found = processes.from_first(checkpoint and (checkpoint.step, checkpoint.state))
    if found is None:
        return History(), damaged
    step, state = found
    _check_identity(folder, state["identity"], identity)
    tensors = checkpoint.tensors if checkpoint else {}
    for name, parameter in trained_parameters(model).items():
        with torch.no_grad():
            parameter.copy_(_placed(tensors, f"{_WEIGHT}/{name}", parameter))
        moments = {moment: _placed(tensors, f"{moment}/{name}", parameter) for moment in MOMENTS}
        optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    losses = processes.from_first(tensors[_LOSSES].tolist() if checkpoint else None)
    return _history(losses, state["history"], step), damaged


def _placed(tensors: dict[str, torch.Tensor], name: str, like: torch.nn.Parameter) -> torch.Tensor:
    full = tensors[name] if tensors else torch.empty(like.shape, dtype=like.dtype)
    return shard_like(full, like)


def _history(losses: list[float], rest: dict[str, Any], step: int) -> History:
    held_out = {int(at): loss for at, loss in rest["held_out"].items()}  # JSON has no other keys than texts
    return History(losses, held_out, rest["seconds"], [*rest["resumed_at"], step])


def _check_identity(folder: Path, stored: dict[str, Any], now: dict[str, Any]) -> None:
    names = sorted((stored.keys() | now.keys()) - {*FREE_TO_CHANGE})
    differences = [
        f"{name} is {now.get(name)} here and {stored.get(name)} in the checkpoint"
        for name in names
        if now.get(name) != stored.get(name)
    ]
    if differences:
        raise CheckpointMismatchError(str(folder), differences)
