"""The synthetic models that the checkpoint benchmark works on: 7B shapes with fewer layers, in bf16."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, VOCABULARY = 4096, 14336, 32, 8, 32768
LINEAR = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN // 4, HIDDEN),
    "self_attn.v_proj": (HIDDEN // 4, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
    "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}
RAW_NAMES = {
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
}


def _random(*shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.bfloat16).normal_(std=0.02)


def _layer() -> dict[str, torch.Tensor]:
    norms = {name: torch.ones(HIDDEN, dtype=torch.bfloat16) for name in ("input_layernorm", "post_attention_layernorm")}
    return {name: _random(*shape) for name, shape in LINEAR.items()} | norms


def make_base(folder: Path, layers: int) -> None:
    """A Hugging Face Mistral of ``layers`` layers, one shard per layer and one for the rest."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    weight_map = {}
    for number in range(layers):
        tensors = {f"model.layers.{number}.{name}.weight": tensor for name, tensor in _layer().items()}
        shard = f"model-{number + 1:05d}-of-{layers + 1:05d}.safetensors"
        save_file(tensors, folder / shard, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, shard)
    rest = {
        "model.embed_tokens.weight": _random(VOCABULARY, HIDDEN),
        "model.norm.weight": torch.ones(HIDDEN, dtype=torch.bfloat16),
        "lm_head.weight": _random(VOCABULARY, HIDDEN),
    }
    shard = f"model-{layers + 1:05d}-of-{layers + 1:05d}.safetensors"
    save_file(rest, folder / shard, metadata={"format": "pt"})
    weight_map |= dict.fromkeys(rest, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps(_config(layers)))


def _config(layers: int) -> dict[str, object]:
    return {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 32768,
        "rope_theta": 1e6,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


def make_raw(folder: Path, layers: int) -> None:
    """The same shapes in Mistral's own layout, in one consolidated file."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    tensors = {
        f"layers.{number}.{RAW_NAMES[name]}.weight": tensor
        for number in range(layers)
        for name, tensor in _layer().items()
    }
    tensors |= {
        "tok_embeddings.weight": _random(VOCABULARY, HIDDEN),
        "norm.weight": torch.ones(HIDDEN, dtype=torch.bfloat16),
        "output.weight": _random(VOCABULARY, HIDDEN),
    }
    save_file(tensors, folder / "consolidated.safetensors")
    params = {
        "dim": HIDDEN,
        "n_layers": layers,
        "head_dim": HIDDEN // HEADS,
        "hidden_dim": INTERMEDIATE,
        "n_heads": HEADS,
        "n_kv_heads": KV_HEADS,
        "norm_eps": 1e-5,
        "vocab_size": VOCABULARY,
        "rope_theta": 1e6,
    }
    (folder / "params.json").write_text(json.dumps(params))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")


def make_adapter(folder: Path, layers: int, modules: tuple[str, ...], rank: int) -> None:
    """A LoRA adapter in peft's format on these linear layers."""
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    tensors = {}
    for number in range(layers):
        for name in modules:
            rows, columns = LINEAR[name]
            prefix = f"base_model.model.model.layers.{number}.{name}"
            tensors[f"{prefix}.lora_A.weight"] = torch.randn(rank, columns) * 0.02
            tensors[f"{prefix}.lora_B.weight"] = torch.randn(rows, rank) * 0.02
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [name.rpartition(".")[2] for name in modules]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": targets,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
