"""Tokenizers that end every prompt with the end token, as trainers set them, changed to such as leave it open.

A trainer needs the end token after each text; a model that is asked to continue after it has nothing to say. An encoder
(T5) reads its input with the end token.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

TOKENIZER_CONFIG = "tokenizer_config.json"
TOKENIZER = "tokenizer.json"
_SEQUENCES = ("single", "pair")


def leave_prompts_open(config: Mapping[str, Any], tokenizer_config: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return tokenizer_config.json without the switch that ends prompts, and whether it had it.

    ``config`` is the model's config.json.
    """
    result = dict(tokenizer_config)
    changed = result.get("add_eos_token") is True and not _has_encoder(config)
    if changed:
        result["add_eos_token"] = False
    return result, changed


def without_end_token(
    config: Mapping[str, Any], tokenizer_config: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return tokenizer.json whose post-processor adds no end token; None where it adds none, or is to add it."""
    end = tokenizer_config.get("eos_token")
    name = end.get("content") if isinstance(end, dict) else end
    if not isinstance(name, str) or _has_encoder(config):
        return None
    post_processor = deepcopy(tokenizer.get("post_processor"))
    changed = [_shorten(processor, name) for processor in _processors(post_processor)]
    return {**tokenizer, "post_processor": post_processor} if any(changed) else None


def _has_encoder(config: Mapping[str, Any]) -> bool:
    return config.get("is_encoder_decoder") is True or config.get("model_type") == "t5"


def _processors(processor: Any) -> list[dict[str, Any]]:
    """Return a post-processor, or those that it consists of."""
    if not isinstance(processor, dict):
        return []
    inner = processor.get("processors")
    return [processor, *(item for item in inner if isinstance(item, dict))] if isinstance(inner, list) else [processor]


def _shorten(processor: dict[str, Any], end: str) -> bool:
    changed = False
    for name in _SEQUENCES:
        sequence = processor.get(name)
        while isinstance(sequence, list) and sequence and _is_token(sequence[-1], end):
            del sequence[-1]
            changed = True
    return changed


def _is_token(item: Any, token: str) -> bool:
    special = item.get("SpecialToken") if isinstance(item, dict) else None
    return isinstance(special, dict) and special.get("id") == token
