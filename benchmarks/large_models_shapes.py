"""The shapes of large models: configuration, shards with real headers, and adapters for a few sampled layers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.synthetic_objects import Literal, Repeated, SyntheticObject
from include.checkpoint.files.folder import INDEX
from include.checkpoint.files.safetensors_header import format_header
from include.run.workspace import PROJECT_ROOT

GB = 10**9
RANK = 16
TOKENIZER = PROJECT_ROOT / "include/demo/base"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")

Tensor = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class LargeModel:
    """A model by its configuration; weights files have up to ``shard_bytes``, and ``sampled`` layers an adapter."""

    name: str
    config: dict[str, Any]
    shard_bytes: int
    sampled: tuple[int, ...]

    def tensors(self) -> Iterator[Tensor]:
        """Yield name and shape of every tensor, in the model's order."""
        hidden, vocabulary = self.config["hidden_size"], self.config["vocab_size"]
        yield "model.embed_tokens.weight", (vocabulary, hidden)
        for layer in range(self.config["num_hidden_layers"]):
            for name, shape in (*self.linears(), *self._norms()):
                yield f"model.layers.{layer}.{name}.weight", shape
        yield "model.norm.weight", (hidden,)
        yield "lm_head.weight", (vocabulary, hidden)

    def linears(self) -> Iterator[Tensor]:
        """Yield module and shape of a layer's linear layers."""
        config = self.config
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        width = config.get("head_dim") or hidden // heads
        yield "self_attn.q_proj", (heads * width, hidden)
        for name in ("k_proj", "v_proj"):
            yield f"self_attn.{name}", (config["num_key_value_heads"] * width, hidden)
        yield "self_attn.o_proj", (hidden, heads * width)
        yield from _MLPS[config["model_type"]](config)

    def _norms(self) -> Iterator[Tensor]:
        hidden = self.config["hidden_size"]
        yield "input_layernorm", (hidden,)
        yield "post_attention_layernorm", (hidden,)
        if self.config["model_type"] == "qwen3_moe":
            yield "self_attn.q_norm", (self.config["head_dim"],)
            yield "self_attn.k_norm", (self.config["head_dim"],)

    def objects(self) -> dict[str, SyntheticObject]:
        """Return the files of the checkpoint."""
        shards = list(self._shards())
        files: dict[str, SyntheticObject] = {}
        weight_map = {}
        for number, tensors in enumerate(shards, 1):
            name = f"model-{number:05}-of-{len(shards):05}.safetensors"
            files[name] = _weights_file(tensors)
            weight_map |= {tensor: name for tensor, _ in tensors}
        metadata = {"total_size": sum(_size(shape) for _, shape in self.tensors())}
        for name, content in ((INDEX, {"metadata": metadata, "weight_map": weight_map}), ("config.json", self.config)):
            files[name] = SyntheticObject((Literal(json.dumps(content).encode()),))
        for name in TOKENIZER_FILES:
            files[name] = SyntheticObject((Literal((TOKENIZER / name).read_bytes()),))
        return files

    def _shards(self) -> Iterator[list[Tensor]]:
        """Fill shards in the model's order; within one, safetensors sorts by name."""
        shard: list[Tensor] = []
        filled = 0
        for name, shape in self.tensors():
            if filled + _size(shape) > self.shard_bytes:
                yield sorted(shard)
                shard, filled = [], 0
            shard.append((name, shape))
            filled += _size(shape)
        yield sorted(shard)

    def adapter(self) -> dict[str, SyntheticObject]:
        """Return a LoRA on q and v of the sampled layers, as peft writes it."""
        modules = [it for it in self.linears() if it[0] in ("self_attn.q_proj", "self_attn.v_proj")]
        config = {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": list(self.sampled)}
        return _adapter(config, list(_lora(modules, self.sampled)), "F32")

    def full_adapter(self) -> dict[str, SyntheticObject]:
        """Return a LoRA on every linear layer of every layer."""
        modules = [it for it in self.linears() if not it[0].endswith(".gate")]
        config = {"target_modules": sorted({name.rpartition(".")[2] for name, _ in modules})}
        return _adapter(config, list(_lora(modules, range(self.config["num_hidden_layers"]))), "BF16")


def _size(shape: tuple[int, ...]) -> int:
    return 2 * math.prod(shape)


def _weights_file(tensors: list[Tensor]) -> SyntheticObject:
    header = format_header(((name, "BF16", shape) for name, shape in tensors), {"format": "pt"})
    return SyntheticObject((Literal(header), *(Repeated(name, 0, _size(shape)) for name, shape in tensors)))


def _lora(modules: list[Tensor], layers: Any) -> Iterator[Tensor]:
    for layer in layers:
        for module, (rows, columns) in modules:
            name = f"base_model.model.model.layers.{layer}.{module}"
            yield f"{name}.lora_A.weight", (RANK, columns)
            yield f"{name}.lora_B.weight", (rows, RANK)


def _adapter(config: dict[str, Any], tensors: list[Tensor], dtype: str) -> dict[str, SyntheticObject]:
    """Return the adapter's files. A pair of bf16 numbers is a float32 number of about the same value."""
    base = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 2 * RANK, "bias": "none"}
    header = format_header(((name, dtype, shape) for name, shape in tensors), {"format": "pt"})
    width = {"F32": 2, "BF16": 1}[dtype]
    data = (Repeated(name, 0, width * _size(shape)) for name, shape in tensors)
    return {
        "adapter_config.json": SyntheticObject((Literal(json.dumps(base | config).encode()),)),
        "adapter_model.safetensors": SyntheticObject((Literal(header), *data)),
    }


def write(objects: dict[str, SyntheticObject], folder: Path) -> None:
    """Write the files with their sizes and headers; the tensors are holes that take no disk."""
    folder.mkdir(parents=True)
    for name, file in objects.items():
        with (folder / name).open("wb") as out:
            out.write(file.pieces[0].read())
            out.truncate(file.size)


def _dense(config: dict[str, Any]) -> Iterator[Tensor]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    yield from (
        ("mlp.gate_proj", (inner, hidden)),
        ("mlp.up_proj", (inner, hidden)),
        ("mlp.down_proj", (hidden, inner)),
    )


def _mixtral(config: dict[str, Any]) -> Iterator[Tensor]:
    hidden, inner, experts = config["hidden_size"], config["intermediate_size"], config["num_local_experts"]
    yield "block_sparse_moe.gate", (experts, hidden)
    for expert in range(experts):
        for name, shape in (("w1", (inner, hidden)), ("w2", (hidden, inner)), ("w3", (inner, hidden))):
            yield f"block_sparse_moe.experts.{expert}.{name}", shape


def _qwen3_moe(config: dict[str, Any]) -> Iterator[Tensor]:
    yield "mlp.gate", (config["num_experts"], config["hidden_size"])
    for expert in range(config["num_experts"]):
        for name, shape in _dense(config | {"intermediate_size": config["moe_intermediate_size"]}):
            yield f"mlp.experts.{expert}.{name.removeprefix('mlp.')}", shape


_MLPS = {"mistral": _dense, "llama": _dense, "mixtral": _mixtral, "qwen3_moe": _qwen3_moe}
_COMMON = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
_MISTRAL = _COMMON | {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "max_position_embeddings": 32768,
    "sliding_window": None,
    "rope_theta": 1e6,
}
_MIXTRAL = _MISTRAL | {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
_LLAMA_70B = _COMMON | {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "rope_theta": 5e5,
}
_QWEN3_30B = _COMMON | {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "rope_theta": 1e6,
}
MODELS = {
    model.name: model
    for model in (
        LargeModel("mistral-7b", _MISTRAL, 5 * GB, (0, 16)),
        LargeModel("mixtral-8x7b", _MIXTRAL, 5 * GB, (0, 16)),
        LargeModel("qwen3-30b-a3b", _QWEN3_30B, 4 * GB, (0, 24)),
        LargeModel("llama-70b", _LLAMA_70B, 5 * GB, (0, 40)),
        LargeModel("llama-70b-3-shards", _LLAMA_70B, 50 * GB, (0, 40)),
        LargeModel("llama-190gb", _LLAMA_70B | {"num_hidden_layers": 108}, 5 * GB, (0, 54)),
        LargeModel("llama-190gb-1-file", _LLAMA_70B | {"num_hidden_layers": 108}, 200 * GB, (0, 54)),
    )
}

#: Prefixes with the trainer's other files among the checkpoint's: as many as the project takes, and too many.
CROWDED = {"crowded": 99_000, "overcrowded": 120_000}


def all_objects() -> dict[str, SyntheticObject]:
    """Return every model and adapter by key, and the crowded prefixes."""
    found = {}
    for model in MODELS.values():
        found |= {f"base/{model.name}/{name}": it for name, it in model.objects().items()}
        found |= {f"adapter/{model.name}/{name}": it for name, it in model.adapter().items()}
    small = SyntheticObject((Literal(b"{}"),))
    for prefix, count in CROWDED.items():
        model = MODELS["mistral-7b"]
        found |= {f"base/{prefix}/{name}": it for name, it in model.objects().items()}
        found |= {f"base/{prefix}/samples/step-{number:06}.json": small for number in range(count)}
    return found
