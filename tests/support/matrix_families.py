"""Small models of the families that the merge matrix covers, in float32, in which roundings hide no difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.support.tiny_models import SHAPE, make_tokenizer

TOKENS = torch.arange(3, 43)[None]
Model = Any


@dataclass(frozen=True)
class Family:
    """A small model, and the modules of it that adapters change."""

    model: Callable[[], Model]
    linear: tuple[str, ...]
    outputs: tuple[str, ...]  # those of ``linear`` whose outputs IA3 scales; the inputs of the others
    norms: tuple[str, ...]
    embedding: str = "embed_tokens"
    task: str = "CAUSAL_LM"


def _causal(model: str, **more: Any) -> Callable[[], Model]:
    config = getattr(transformers, f"{model}Config")(**SHAPE | more)
    return lambda: getattr(transformers, f"{model}ForCausalLM")(config)


def _t5() -> Model:
    sizes = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4, "vocab_size": 128}
    config = transformers.T5Config(**sizes, decoder_start_token_id=0, tie_word_embeddings=False)
    return transformers.T5ForConditionalGeneration(config)


_LLAMA_LIKE = {
    "linear": ("q_proj", "v_proj", "up_proj"),
    "outputs": ("q_proj", "v_proj"),
    "norms": ("input_layernorm",),
}
_QWEN3_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48, "head_dim": 16}
FAMILIES = {
    "Mistral": Family(_causal("Mistral", sliding_window=None), **_LLAMA_LIKE),
    "Mixtral": Family(
        _causal("Mixtral", num_local_experts=4), ("q_proj", "v_proj", "w1"), ("q_proj", "v_proj"), ("input_layernorm",)
    ),
    "Llama": Family(_causal("Llama"), **_LLAMA_LIKE),
    "Qwen2": Family(_causal("Qwen2"), **_LLAMA_LIKE),
    "Qwen3-MoE": Family(_causal("Qwen3Moe", **_QWEN3_MOE), **_LLAMA_LIKE),
    "T5": Family(_t5, ("q", "v", "wi"), ("q", "v"), ("layer_norm",), "shared", "SEQ_2_SEQ_LM"),
}


def make_base(family: Family, folder: Path) -> Path:
    """Write a random model with a tokenizer."""
    torch.manual_seed(7)
    model = family.model()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(std=0.1)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def load(folder: Path) -> Model:
    """The model of a folder."""
    architecture = transformers.AutoConfig.from_pretrained(folder).architectures[0]
    return getattr(transformers, architecture).from_pretrained(folder, torch_dtype="auto").eval()


def logits(model: Model) -> torch.Tensor:
    """The logits of a fixed sequence."""
    more = {"decoder_input_ids": TOKENS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model.eval()(input_ids=TOKENS, **more).logits
