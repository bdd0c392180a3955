"""Embeddings that were resized, or trained together with a tied head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
)
from transformers import AutoModelForCausalLM

from tests.support.edited_adapters import (
    WHOLE_LORA,
    merge_to_folder,
)
from tests.support.tiny_models import (
    make_model,
    save_model,
)


def _train(tuned: PeftModel) -> None:
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.2 * torch.randn_like(parameter))  # in place: peft's tied parameters stay tied


def _assert_same_logits(folder: Path, tuned: PeftModel, tokens: torch.Tensor) -> None:
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(folder).eval()(tokens).logits
        torch.testing.assert_close(ours, tuned.eval()(tokens).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("targets", [["q_proj", "embed_tokens"], ["embed_tokens", "lm_head"]], ids=str)
def test_the_pair_that_peft_makes_for_a_tied_head_is_used(targets: list[str], tmp_path: Path) -> None:
    def model() -> Any:
        return make_model(dtype=torch.float32, tie_word_embeddings=True)

    base = save_model(model(), tmp_path / "base")
    config = LoraConfig(r=4, target_modules=targets, ensure_weight_tying=True, task_type="CAUSAL_LM")
    tuned = get_peft_model(model(), config)
    _train(tuned)
    tuned.save_pretrained(tmp_path / "adapter")
    tokens = torch.arange(3, 43)[None]

    merge_to_folder(base, tmp_path / "adapter", tmp_path)

    _assert_same_logits(tmp_path / "ours", tuned, tokens)


@pytest.mark.parametrize("tied", [False, True])
def test_new_tokens_of_a_resized_vocabulary_are_merged(tied: bool, tmp_path: Path) -> None:
    base = save_model(make_model(dtype=torch.float32, tie_word_embeddings=tied), tmp_path / "base")
    model = make_model(dtype=torch.float32, tie_word_embeddings=tied)
    model.resize_token_embeddings(130, mean_resizing=False)
    tuned = get_peft_model(model, LoraConfig(**WHOLE_LORA, trainable_token_indices={"embed_tokens": [129, 128]}))
    _train(tuned)
    tuned.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    tokens = torch.tensor([[3, 128, 4, 129, 5]])

    merge_to_folder(base, tmp_path / "adapter", tmp_path)

    _assert_same_logits(tmp_path / "ours", tuned, tokens)
