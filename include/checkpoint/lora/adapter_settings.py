"""Interpret the settings of an adapter's configuration; adapters that cannot be merged exactly are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from include.checkpoint.errors import AdapterRefusedError, QuantizedBaseError
from include.checkpoint.lora.adapter import Adapter, AdapterConfig
from include.checkpoint.lora.errors import AdapterSettingUnknownError, AdapterStartError

# What of an adapter's configuration makes its merged form depend on more than its tensors.
_MERGED_BY_PEFT = ("use_qalora", "kasa_config", "use_bdlora", "velora_config", "monteclora_config", "target_parameters")
_HAS_NO_MERGED_FORM = {
    "layer_replication": "peft does not save which layers were copied; merge it where it was trained",
    "alora_invocation_tokens": "it acts only after its invocation tokens; Bedrock has no such adapters",
    "arrow_config": "it chooses an adapter for each token; Bedrock has no such adapters",
}
# Kinds that peft merges from the adapter's tensors and the base alone. Others load further models or settings, which an
# adapter may name on the Hugging Face Hub, or have no merged form; new ones are added here once they were looked at.
MERGEABLE_KINDS = frozenset(
    (
        *("LORA", "ADALORA", "BEFT", "BOFT", "C3A", "DEFT", "DELORA", "FOURIERFT", "FROD", "GLORA", "GRALORA", "HIRA"),
        *("HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "MISS", "OFT", "OSF", "PEANUT", "PSOFT", "PVERA", "RANDLORA"),
        *("ROAD", "SHIRA", "SUPERTUNING", "TINYLORA", "TRAINABLE_TOKENS", "UNILORA", "VBLORA", "VERA", "WAVEFT"),
    )
)
_PROMPTS = "trained prompts, which are no weights"
_UNMERGEABLE_KINDS = {
    **dict.fromkeys(("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"), _PROMPTS),
    **dict.fromkeys(("CPT", "CARTRIDGE", "ADAPTION_PROMPT"), _PROMPTS),
    "ADAMSS": "peft reads it only where scikit-learn is installed, which this project leaves out",
    "LILY": "its layers share factors by a router for each token, so that it has no merged form",
    "POLY": "it mixes its factors for each task, so that it has no merged form",
    "SHADOW": "it runs a second model beside the base, so that it has no merged form",
    "XLORA": "it mixes adapters for each token, so that it has no merged form",
}
_OTHER_TASKS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
# Fields that say how the adapter was trained or saved. The last line is of older versions of peft and of ms-swift.
_NEUTRAL = (
    *("task_type", "auto_mapping", "peft_version", "revision", "inference_mode", "lora_dropout", "fan_in_fan_out"),
    *("megatron_config", "megatron_core", "runtime_config", "qalora_group_size"),
    *("loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    *("merge_weights", "lora_dtype", "lorap_lr_ratio", "lorap_emb_lr"),
)
KNOWN_SETTINGS = frozenset(
    (*(item.name for item in fields(AdapterConfig)), *_NEUTRAL, *_MERGED_BY_PEFT, *_HAS_NO_MERGED_FORM)
)
# Starts that leave the base as it is, and those that peft makes again from the base alone, in the same way each time.
_PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
_REPEATABLE_STARTS = ("pissa", "olora", "mica")
_CONVERT = (
    "Convert it where it was trained: save the adapter once before the training (init_folder), and after it call "
    "save_pretrained(folder, path_initial_model_for_weight_conversion=init_folder); peft then saves a plain LoRA."
)
_MERGE_THERE = "Merge it where it was trained (merge_and_unload), and import the merged model."
# How init_lora_weights begins → why the start cannot be made again, and what to do.
_UNREPEATABLE_STARTS = {
    "pissa_niter_": ("a fast SVD, which starts from random numbers", _CONVERT),
    "corda": ("a decomposition by the activations of sampled data", _CONVERT),
    "lora_ga": ("a decomposition of the gradients of sampled data", _CONVERT),
    "loftq": (
        "a base that was quantized first",
        "Merge it into that base: save the quantized base as 16-bit weights, set init_lora_weights to true.",
    ),
}
_QUANTIZED_NAME = re.compile(
    r"[-_.](unsloth-)?(bnb-4bit|4bit|8bit|bnb|gptq(-int[48])?|awq|int[48]|fp8)\b", re.IGNORECASE
)


def has_plain_tensors(adapter: Adapter) -> bool:
    """Return whether the adapter's tensors are those of a LoRA on modules, with nothing that needs peft to read."""
    return adapter.config.peft_type == "LORA" and not any(adapter.raw_config.get(name) for name in _MERGED_BY_PEFT)


def is_plain_lora(adapter: Adapter) -> bool:
    """Return whether the merged weights can be computed by ``lora_math``."""
    dora_embedding = any("magnitude" in parts and "lora_embedding_A" in parts for parts in adapter.modules.values())
    return has_plain_tensors(adapter) and _start(adapter) in _PLAIN_STARTS and not dora_embedding


def refuse_unmergeable(adapter: Adapter, base_config: Mapping[str, Any]) -> None:
    """Raise for adapters that cannot be merged exactly, and for quantized bases."""
    raw = adapter.raw_config
    _refuse_kind(adapter.config.peft_type)
    for name, reason in _HAS_NO_MERGED_FORM.items():
        if raw.get(name):
            raise AdapterRefusedError(name, f"{name} = {raw[name]}", f"Why: {reason}.")
    if raw.get("task_type") in _OTHER_TASKS:
        remedy = "Bedrock imports models that generate text; train the adapter with task_type CAUSAL_LM."
        raise AdapterRefusedError("task_type", str(raw["task_type"]), remedy)
    if adapter.config.peft_type == "LORA":
        unknown = {name: value for name, value in raw.items() if value and name not in KNOWN_SETTINGS}
        if unknown:
            raise AdapterSettingUnknownError("adapter_config.json", named_settings(unknown))
        _refuse_start(_start(adapter))
    if "quantization_config" in base_config:
        named = adapter.config.base_model_name_or_path or "the model this one was quantized from"
        method = str(base_config["quantization_config"])
        raise QuantizedBaseError("config.json", method, full_precision_name(named))


def named_settings(settings: Mapping[str, Any]) -> str:
    """Return the settings with their values, for a message."""
    return ", ".join(f"{name} = {value}" for name, value in settings.items())[:500]


def _refuse_kind(kind: str) -> None:
    if kind in _UNMERGEABLE_KINDS:
        raise AdapterRefusedError("peft_type", f"{kind}: {_UNMERGEABLE_KINDS[kind]}", "Train a LoRA.")
    if kind not in MERGEABLE_KINDS:
        remedy = f"Train one of {', '.join(sorted(MERGEABLE_KINDS))}, or import the merged model."
        raise AdapterRefusedError("peft_type", kind[:100], remedy)


def _start(adapter: Adapter) -> bool | str | None:
    start = adapter.config.init_lora_weights
    return start.lower() if isinstance(start, str) else start


def _refuse_start(start: bool | str | None) -> None:
    if start in (*_PLAIN_STARTS, *_REPEATABLE_STARTS):
        return
    for begin, (reason, remedy) in _UNREPEATABLE_STARTS.items():
        if str(start).startswith(begin):
            raise AdapterStartError(str(start), reason, remedy)
    raise AdapterStartError(str(start), "a start unknown to this project", _MERGE_THERE)


def is_quantized_name(name: str) -> bool:
    """Return whether a model's name says that it is quantized."""
    return _QUANTIZED_NAME.search(name) is not None


def full_precision_name(name: str) -> str:
    """Return the name of the 16-bit model that a quantized one was made from."""
    return _QUANTIZED_NAME.sub("", name)
