"""A checkpoint of Mistral-7B's shapes with fewer layers, and a LoRA adapter on its q and v projections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

HIDDEN, KEY_VALUE, MLP, VOCABULARY, RANK = 4096, 1024, 14336, 32000, 16
CONFIG = {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "hidden_size": HIDDEN,
    "intermediate_size": MLP,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def _layer() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of a layer, in the order in which transformers writes them."""
    yield "input_layernorm.weight", (HIDDEN,)
    yield "mlp.down_proj.weight", (HIDDEN, MLP)
    yield "mlp.gate_proj.weight", (MLP, HIDDEN)
    yield "mlp.up_proj.weight", (MLP, HIDDEN)
    yield "post_attention_layernorm.weight", (HIDDEN,)
    yield "self_attn.k_proj.weight", (KEY_VALUE, HIDDEN)
    yield "self_attn.o_proj.weight", (HIDDEN, HIDDEN)
    yield "self_attn.q_proj.weight", (HIDDEN, HIDDEN)
    yield "self_attn.v_proj.weight", (KEY_VALUE, HIDDEN)


def write_base(folder: Path, layers: int) -> None:
    """Write one shard per layer, and one for embedding, norm and head."""
    folder.mkdir(parents=True, exist_ok=True)
    weight_map = {}
    for number in range(layers + 1):
        shapes = dict(_shard(number, layers))
        name = f"model-{number + 1:05}-of-{layers + 1:05}.safetensors"
        save_file({tensor: _values(shape, number) for tensor, shape in shapes.items()}, folder / name, {"format": "pt"})
        weight_map |= dict.fromkeys(shapes, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": layers}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizerFast"}))


def _shard(number: int, layers: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    if number == layers:
        yield "lm_head.weight", (VOCABULARY, HIDDEN)
        yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
        yield "model.norm.weight", (HIDDEN,)
        return
    for name, shape in _layer():
        yield f"model.layers.{number}.{name}", shape


def write_adapter(folder: Path, layers: int) -> int:
    """Write the adapter as peft does; return the bytes of the base that it changes."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for layer in range(layers):
        for module, rows in (("q_proj", HIDDEN), ("v_proj", KEY_VALUE)):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            tensors[f"{name}.lora_A.weight"] = _values((RANK, HIDDEN), layer).float()
            tensors[f"{name}.lora_B.weight"] = _values((rows, RANK), layer + 1).float()
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q_proj", "v_proj"]}
    extra = {"task_type": "CAUSAL_LM", "base_model_name_or_path": "base", "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config | extra))
    return layers * (HIDDEN + KEY_VALUE) * HIDDEN * 2


def _values(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.02).to(torch.bfloat16)
