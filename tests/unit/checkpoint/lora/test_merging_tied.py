"""Tied embeddings: peft merges into the shared matrix; our merged model must still answer as the adapter does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM

from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import make_model, save_adapter, save_model

TOKENS = torch.arange(3, 43)[None]


def _logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(TOKENS).logits


@pytest.mark.parametrize("family", ["mistral", "llama", "qwen2"])
@pytest.mark.parametrize("shards", ["5GB", "40KB"])
@pytest.mark.parametrize(
    "lora",
    [
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["embed_tokens", "lm_head"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
    ],
    ids=lambda lora: "+".join([*lora["target_modules"], *lora.get("modules_to_save", [])]),
)
@pytest.mark.sampled(3)
def test_a_tied_model_answers_as_its_adapter_does(
    lora: dict[str, Any], shards: str, family: str, tmp_path: Path
) -> None:
    base = save_model(make_model(family, torch.float32, tie_word_embeddings=True), tmp_path / "base", shards)
    config = LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **lora)
    adapter = save_adapter(make_model(family, torch.float32, tie_word_embeddings=True), tmp_path / "adapter", config)
    with_adapter = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)

    result = merge(checkpoint_of_folder(base), adapter, tmp_path / "overlay")
    materialize(result.checkpoint, tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")

    assert not validate(result.checkpoint).errors
    assert merged.config.tie_word_embeddings is False
    torch.testing.assert_close(_logits(merged), _logits(with_adapter), rtol=1e-4, atol=1e-4)
