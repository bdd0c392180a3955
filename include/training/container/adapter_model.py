"""Puts the adapter on the base model, shards both over the processes, and gathers the adapter again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from include.training.container.base_model import compute_dtype
from include.training.container.errors import TargetModulesError
from include.training.container.processes import Processes
from include.training.container.settings import ALL_LINEAR, Settings

OUTPUT_LAYER = "lm_head"
QUANTISED_LAYER = "Linear4bit"


def add_adapter(base: Any, settings: Settings) -> Any:
    """Return the base with an adapter in float32, the same in every process.

    Raises:
        TargetModulesError: a name in lora.target_modules matches no linear layer.
    """
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    _check_targets(base, lora.target_modules)
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, config, autocast_adapter_dtype=True)
    model.peft_config["default"].base_model_name_or_path = settings.base_name
    return model


def _check_targets(base: Any, targets: str | list[str]) -> None:
    if targets == ALL_LINEAR:
        return
    linear = [name for name, module in base.named_modules() if isinstance(module, torch.nn.Linear)]
    missing = [each for each in targets if not any(name == each or name.endswith(f".{each}") for name in linear)]
    if missing:
        raise TargetModulesError(missing, sorted({name.rpartition(".")[2] for name in linear} - {OUTPUT_LAYER}))


def place(model: Any, settings: Settings, processes: Processes) -> Any:
    """Return the model on this process's device; sharded layer by layer when there is more than one process.

    Nothing may have run through the model before: on a CPU, bitsandbytes packs weights that ran without gradients in a
    form that cannot be sharded.
    """
    device = processes.device
    if not torch.distributed.is_initialized() or (processes.world == 1 and device.type == "cpu"):
        return model.to(device)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.type, (processes.world,))
    dtype = compute_dtype(settings, device)
    # The adapter's weights and gradients stay in float32; it computes in the base's dtype.
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for layer in model.get_base_model().model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


def trained_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """Return the adapter's weights by name, in the same order in every process and every run."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor gathered from its shards, on the CPU; every process must call this for it."""
    gathered = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return gathered.detach().cpu()


def shard_like(full: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return the first process's tensor, sharded and placed as ``like`` is; every process must call this for it."""
    full = full.to(like.device)
    return distribute_tensor(full, like.device_mesh, like.placements) if isinstance(like, DTensor) else full


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch dropout off and gradients with it.

    Quantised layers stay in training mode: in evaluation mode, bitsandbytes packs their weights on a CPU, and the
    training that follows would be wrong.
    """
    model.eval()
    for module in model.modules():
        if type(module).__name__ == QUANTISED_LAYER and not hasattr(module, "base_layer"):
            module.training = True
    try:
        with torch.no_grad():
            yield
    finally:
        model.train()
