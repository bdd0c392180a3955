"""The merge against peft's own, case by case."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.merging import OVERLAY, merge
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import (
    equal_bits,
    load_weights,
    make_model,
    merged_by_peft,
    save_adapter,
    save_model,
)

QV = ["q_proj", "v_proj"]
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ALL = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
TIED = {"tie_word_embeddings": True}
EXPERTS = [*ATTENTION, "w1", "w2", "w3", "gate"]


@dataclass(frozen=True)
class Case:
    """One adapter on one base."""

    name: str
    lora: dict[str, Any]
    family: str = "mistral"
    dtype: torch.dtype = torch.bfloat16
    shards: str = "5GB"
    adapter_dtype: torch.dtype | None = None
    config: dict[str, Any] = field(default_factory=dict)

    def lora_config(self) -> LoraConfig:
        return LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": QV, "task_type": "CAUSAL_LM"} | self.lora)


CASES = [
    Case("q and v", {}),
    Case("q and v in shards", {}, shards="60KB"),
    Case("q and v in fp16", {}, dtype=torch.float16),
    Case("q and v in fp32", {}, dtype=torch.float32),
    Case("an adapter stored in bf16", {}, adapter_dtype=torch.bfloat16),
    Case("an adapter stored in fp16 on bf16", {}, adapter_dtype=torch.float16),
    Case("all linear layers", {"target_modules": ALL, "r": 16, "lora_alpha": 32}, shards="100KB"),
    Case("all linear layers in fp32", {"target_modules": ALL}, dtype=torch.float32, shards="100KB"),
    Case("a scaling that is no power of two", {"lora_alpha": 7, "r": 6}),
    Case("rank above the dimension", {"r": 80, "lora_alpha": 16}),
    Case("rank-stabilised", {"use_rslora": True, "r": 8}),
    Case("rank-stabilised in fp16", {"use_rslora": True, "r": 3}, dtype=torch.float16),
    Case("rank and alpha patterns", {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {r"layers\.1\..*v_proj": 3}}),
    Case("patterns, rank-stabilised", {"rank_pattern": {r"^model\.layers\.0\..*": 2}, "use_rslora": True}),
    Case("one layer of two", {"layers_to_transform": [1]}),
    Case("DoRA", {"use_dora": True}),
    Case("DoRA on all linear layers", {"use_dora": True, "target_modules": ALL}, shards="100KB"),
    Case("DoRA, rank-stabilised, fp32", {"use_dora": True, "use_rslora": True}, dtype=torch.float32),
    Case("DoRA in fp16", {"use_dora": True}, dtype=torch.float16),
    Case("a head trained whole", {"modules_to_save": ["lm_head"]}),
    Case("head and embedding trained whole", {"modules_to_save": ["lm_head", "embed_tokens"]}, shards="60KB"),
    Case("norms trained whole", {"modules_to_save": ["input_layernorm", "norm"]}),
    Case("LoRA on the embedding", {"target_modules": [*QV, "embed_tokens"]}),
    Case("LoRA on the embedding in fp32", {"target_modules": ["embed_tokens"]}, dtype=torch.float32),
    Case("LoRA on the head", {"target_modules": [*QV, "lm_head"]}),
    Case("LoRA on both matrices", {"target_modules": ["embed_tokens", "lm_head"]}, dtype=torch.float16),
    Case("fan_in_fan_out, which linear layers ignore", {"fan_in_fan_out": True}),
    Case("biases that Mistral does not have", {"bias": "all"}),
    Case("single trained tokens", {"trainable_token_indices": [3, 90, 41]}),
    Case("trained tokens in fp16 shards", {"trainable_token_indices": [127, 0]}, dtype=torch.float16, shards="60KB"),
    Case("Mixtral attention", {"target_modules": ATTENTION}, family="mixtral"),
    Case("Mixtral experts and router", {"target_modules": EXPERTS}, family="mixtral", shards="100KB"),
    Case("Mixtral DoRA in fp16", {"use_dora": True}, family="mixtral", dtype=torch.float16),
    Case("Llama, all linear layers", {"target_modules": ALL}, family="llama", shards="60KB"),
    Case("Llama in fp32", {"use_rslora": True}, family="llama", dtype=torch.float32),
    Case("Qwen2, all linear layers", {"target_modules": ALL}, family="qwen2"),
    Case("Qwen2 with its biases trained", {"bias": "all"}, family="qwen2"),
    Case("Qwen2 with LoRA's biases trained", {"bias": "lora_only", "target_modules": ATTENTION[:3]}, family="qwen2"),
    Case("Qwen2 with a bias on lora_B", {"lora_bias": True, "target_modules": ATTENTION[:3]}, family="qwen2"),
    Case("tied Qwen2, attention only", {}, family="qwen2", config=TIED),
    Case("tied Llama, trained tokens", {"trainable_token_indices": [5, 6]}, "llama", config=TIED),
    Case("PiSSA, which changes the base first", {"init_lora_weights": "pissa"}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_merge_equals_pefts_bit_for_bit(case: Case, tmp_path: Path) -> None:
    base = save_model(make_model(case.family, case.dtype, **case.config), tmp_path / "base", case.shards)
    model = make_model(case.family, case.dtype, **case.config)
    adapter = save_adapter(model, tmp_path / "adapter", case.lora_config(), case.adapter_dtype)

    result = merge(checkpoint_of_folder(base), adapter, tmp_path / "overlay")

    materialize(result.checkpoint, tmp_path / "ours")
    ours, theirs = load_weights(tmp_path / "ours"), merged_by_peft(base, adapter, tmp_path / "theirs")
    assert equal_bits(ours, theirs)
    assert not validate(result.checkpoint).errors
    assert not equal_bits(ours, load_weights(base))
    assert result.proof["overlay_sha256"] == sha256((tmp_path / "overlay" / OVERLAY).read_bytes()).hexdigest()
