"""Small random models and adapters, made by transformers and peft themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

torch.set_num_threads(1)
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 128,
    "max_position_embeddings": 256,
}
CONFIGS: dict[str, Callable[..., PretrainedConfig]] = {
    "mistral": lambda **more: MistralConfig(**SHAPE | {"sliding_window": None, "rope_theta": 1e6} | more),
    "mixtral": lambda **more: MixtralConfig(**SHAPE | {"num_local_experts": 4} | more),
    "llama": lambda **more: LlamaConfig(**SHAPE | more),
    "qwen2": lambda **more: Qwen2Config(**SHAPE | more),
}
TEMPLATE = "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 128 tokens with a chat template."""
    vocab = {
        token: i for i, token in enumerate(["<s>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())[:125]])
    }
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", model_max_length=256
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(family: str = "mistral", dtype: torch.dtype = torch.bfloat16, **config: Any) -> PreTrainedModel:
    """A random model whose matrices are large enough to round."""
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(CONFIGS[family](**config))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(std=0.1)
    model.generation_config.eos_token_id = 1
    return model.to(dtype)


def save_model(model: PreTrainedModel, folder: Path, shard_size: str = "5GB") -> Path:
    """The model with its tokenizer, as transformers saves them."""
    model.save_pretrained(folder, max_shard_size=shard_size)
    make_tokenizer().save_pretrained(folder)
    return folder


def save_adapter(model: PreTrainedModel, folder: Path, config: LoraConfig, dtype: torch.dtype | None = None) -> Path:
    """A LoRA adapter with random weights for ``model``, as peft saves it."""
    torch.manual_seed(11)
    peft_model = get_peft_model(model, config)
    for name, parameter in peft_model.named_parameters():
        if parameter.requires_grad:
            scale = 1.0 + 0.1 * torch.randn_like(parameter) if "magnitude" in name else None
            parameter.data = parameter.data * scale if scale is not None else 0.05 * torch.randn_like(parameter)
            if dtype is not None:
                parameter.data = parameter.data.to(dtype)
    peft_model.save_pretrained(folder)
    return folder


def merged_by_peft(base: Path, adapter: Path, out: Path) -> dict[str, torch.Tensor]:
    """The tensors of peft's own merge."""
    model = AutoModelForCausalLM.from_pretrained(base, torch_dtype="auto")
    PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
    return load_weights(out)


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a folder's safetensors files."""
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def equal_bits(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Whether both hold the same tensors, bit for bit."""
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and torch.equal(left[name], right[name]) for name in left
    )
