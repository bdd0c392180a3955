"""Convert configurations of transformers 5 to the fields of Bedrock's transformers, by architecture.

Each function changes ``config`` in place and returns a note on each change. Sources: ``configuration_*.py`` of
transformers 4.51.3 and 5.24.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CONFIG = "config.json"
#: How attention was computed on the machine that saved the model; it need not be possible where it is loaded.
_OF_ONE_MACHINE = ("_attn_implementation", "_attn_implementation_internal", "attn_implementation")


def fit_architecture(config: dict[str, Any]) -> list[str]:
    """Rename and move fields that the architecture's configuration class of Bedrock's transformers does not read."""
    notes = []
    for name in _OF_ONE_MACHINE:
        if name in config:
            del config[name]
            notes.append(f"{CONFIG}: {name} was left out, as it depends on the machine.")
    fit = _FITS.get(str(config.get("model_type")))
    return [*notes, *(fit(config) if fit else ())]


def separate_tensors(config: Mapping[str, Any]) -> dict[str, str]:
    """Return tensors that must be stored separately, each with the name of the one that it shares its values with.

    It is the head of a T5 whose decoder outputs are not scaled: with a tied head, Bedrock's transformers scales them.
    """
    return {"lm_head.weight": "shared.weight"} if _has_unscaled_outputs(config) else {}


def _has_unscaled_outputs(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") == "t5" and config.get("scale_decoder_outputs") is False


def _fit_qwen_vl(config: dict[str, Any]) -> list[str]:
    text, vision, notes = config.get("text_config"), config.get("vision_config"), []
    if isinstance(vision, dict) and vision.pop("rope_parameters", None) is not None:
        notes.append(f"{CONFIG}: vision_config.rope_parameters was left out, as it is always the same.")
    if isinstance(text, dict):
        del config["text_config"]
        config.update((name, value) for name, value in text.items() if name not in config)
        notes.append(f"{CONFIG}: the fields of text_config were moved to the top level.")
    return notes


def _fit_qwen3_moe(config: dict[str, Any]) -> list[str]:
    if "num_local_experts" not in config or "num_experts" in config:
        return []
    config["num_experts"] = config.pop("num_local_experts")
    return [f"{CONFIG}: num_experts = {config['num_experts']}, which was num_local_experts."]


def _fit_t5(config: dict[str, Any]) -> list[str]:
    if not _has_unscaled_outputs(config) or not config.get("tie_word_embeddings", True):
        return []
    config["tie_word_embeddings"] = False
    return [f"{CONFIG}: tie_word_embeddings = false, since the decoder's outputs are not scaled."]


def _fit_mllama(config: dict[str, Any]) -> list[str]:
    text = config.get("text_config")
    if not isinstance(text, dict) or text.get("rope_scaling"):
        return []
    if (text.get("rope_parameters") or {}).get("rope_type", "default") != "default":
        return []
    text["rope_scaling"] = {"rope_type": "default"}
    return [f"{CONFIG}: text_config.rope_scaling of type default, which must be there."]


_FITS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "qwen2_vl": _fit_qwen_vl,
    "qwen2_5_vl": _fit_qwen_vl,
    "qwen3_moe": _fit_qwen3_moe,
    "t5": _fit_t5,
    "mllama": _fit_mllama,
}
