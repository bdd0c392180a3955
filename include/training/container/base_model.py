"""Checks the base model's folder before any work, and loads it in the precision or quantisation of the method."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from include.training.container.errors import BaseModelError, PackageMissingError
from include.training.container.settings import QLORA, Settings

FAMILIES = ("llama", "mistral", "mixtral", "qwen2")
"""The model types whose attention masks, positions and logits tests compare with transformers' own."""


def check_base(folder: Path, settings: Settings) -> dict[str, Any]:
    """Return the base model's configuration.

    Raises:
        BaseModelError: names what the folder lacks, or why this model cannot be trained.
        PackageMissingError: the method is qlora and bitsandbytes is not installed.
    """
    if settings.method == QLORA and find_spec("bitsandbytes") is None:
        raise PackageMissingError("bitsandbytes", "method: qlora")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = "Copy the base model's whole folder into the model channel."
        raise BaseModelError(str(folder), "a Hugging Face folder with config.json", str(error), remedy) from None
    if not list(folder.glob("*.safetensors")):
        remedy = "Copy the base model's whole folder into the model channel."
        raise BaseModelError(str(folder), "weights in *.safetensors", "none", remedy)
    _check_config(folder, config, settings)
    return dict(config)


def _check_config(folder: Path, config: dict[str, Any], settings: Settings) -> None:
    if config.get("model_type") not in FAMILIES:
        remedy = "Choose a base model of one of these types."
        expected = f"a model_type among {', '.join(FAMILIES)}"
        raise BaseModelError(str(folder), expected, str(config.get("model_type")), remedy)
    if config.get("quantization_config"):
        remedy = "Give the unquantised model; method: qlora quantises it while it loads."
        raise BaseModelError(str(folder), "unquantised weights", "quantization_config in config.json", remedy)
    positions = int(config.get("max_position_embeddings", settings.max_sequence_length))
    if positions < settings.max_sequence_length:
        expected = f"at least max_sequence_length = {settings.max_sequence_length} positions"
        remedy = "Lower max_sequence_length and prepare the data set again."
        raise BaseModelError(str(folder), expected, f"max_position_embeddings = {positions}", remedy)


def compute_dtype(settings: Settings, device: torch.device) -> torch.dtype:
    """Return the dtype of the base model's weights and of the arithmetic: bfloat16 on a GPU, float32 on a CPU."""
    default = "bfloat16" if device.type == "cuda" else "float32"
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[settings.dtype or default]


def load_base(folder: Path, settings: Settings, device: torch.device) -> Any:
    """Return the base model with all of its weights frozen: in 4 bits on the device, or in memory for LoRA."""
    from transformers import AutoModelForCausalLM

    dtype = compute_dtype(settings, device)
    options: dict[str, Any] = {"torch_dtype": dtype, "attn_implementation": "sdpa", "local_files_only": True}
    if settings.method == QLORA:
        options |= {"quantization_config": _nf4(dtype, device), "device_map": {"": str(device)}}
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False, **options)
    model.config.use_cache = False
    model.requires_grad_(False)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def _nf4(dtype: torch.dtype, device: torch.device) -> Any:
    """Return nf4 with double quantisation, stored in the dtype of the rest: FSDP shards a layer of one dtype."""
    from transformers import BitsAndBytesConfig

    if device.type == "cpu":
        from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer

        # transformers 4.51.3 demands Intel's extension on a CPU; bitsandbytes has not needed it since 0.45.
        Bnb4BitHfQuantizer.validate_environment = lambda self, *arguments, **options: None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype,
    )
