"""Convert the LoRA that mistral-finetune saves to a PEFT adapter.

It is a folder of ``lora.safetensors`` and ``params.json``:
https://github.com/mistralai/mistral-finetune/blob/main/finetune/checkpointing.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.checkpoint.errors import RawParamsError, RawTensorError
from include.checkpoint.files.folder import RAW_ADAPTER, whole
from include.checkpoint.files.json_files import read_json
from include.checkpoint.files.reading import LOCAL
from include.checkpoint.mistral.raw_layout import place
from include.checkpoint.mistral.raw_params import PARAMS, RawParams, parse_params

if TYPE_CHECKING:
    import torch


def convert_adapter(folder: Path, out_dir: Path) -> Path:
    """Write the adapter in ``folder`` as a PEFT adapter into ``out_dir``, and return that.

    Rows of B that belong to q and k are put into the order that transformers rotates, as those of the model's own
    matrices are when it is converted.

    Raises:
        RawParamsError: params.json does not say rank and scaling.
        RawTensorError: a tensor is not a LoRA matrix of one of Mistral's layers.
    """
    from safetensors.torch import load_file, save_file

    raw = read_json(whole(PARAMS, LOCAL.pin(str(folder / PARAMS))))
    params, settings = parse_params(raw), raw.get("lora")
    if not isinstance(settings, dict) or not {"rank", "scaling"} <= settings.keys():
        raise RawParamsError(PARAMS, f"lora with rank and scaling was expected, found {settings}")
    tensors = dict(_peft_tensor(name, tensor, params) for name, tensor in load_file(folder / RAW_ADAPTER).items())
    out_dir.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out_dir / "adapter_model.safetensors")
    config = _config(settings, {name.split(".")[-3] for name in tensors})
    (out_dir / "adapter_config.json").write_text(json.dumps(config))
    return out_dir


def _peft_tensor(name: str, tensor: torch.Tensor, params: RawParams) -> tuple[str, torch.Tensor]:
    module, _, part = name.partition(".lora_")
    if part not in ("A.weight", "B.weight"):
        raise RawTensorError(name, "a tensor lora_A.weight or lora_B.weight", "another tensor")
    target, treatment = place(f"{module}.weight")
    if part == "B.weight" and treatment in ("rope_q", "rope_k"):
        heads = params.n_heads if treatment == "rope_q" else params.kv_heads
        if tensor.shape[0] != heads * params.head_size:
            raise RawTensorError(name, f"{heads * params.head_size} rows, as params.json says", f"{tensor.shape[0]}")
        pairs = tensor.view(heads, params.head_size // 2, 2, -1)
        tensor = pairs.transpose(1, 2).reshape(tensor.shape).contiguous()
    return f"base_model.model.{target.removesuffix('.weight')}.lora_{part}", tensor


def _config(settings: dict[str, Any], modules: set[str]) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": settings["rank"],
        "lora_alpha": settings["rank"] * settings["scaling"],
        "target_modules": sorted(modules),
    }
