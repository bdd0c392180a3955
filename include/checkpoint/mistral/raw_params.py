"""Convert Mistral's ``params.json`` to a transformers configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.checkpoint.errors import RawParamsError, RawVariantError

PARAMS = "params.json"
# Fields that change what the model computes in ways that MistralForCausalLM and MixtralForCausalLM do not have.
_OTHER_MODELS = {
    "vision_encoder": "it has a vision encoder",
    "multimodal": "it is multimodal",
    "quantization": "its weights are quantized",
    "yarn": "it stretches its context with YaRN, as Mistral 3 models do",
    "llama_4_scaling": "it scales attention as Ministral 3 models do",
    "ragged_attention": "its layers differ in their attention windows, as Ministral 8B's do",
    "_sliding_window": "its layers differ in their attention windows, as Ministral 8B's do",
    "q_lora_rank": "it has latent attention",
    "kv_lora_rank": "it has latent attention",
    "n_shared_experts": "it has shared experts",
    "use_biases": "its layers have biases",
    "ssm": "it is a Mamba model",
}
# mistral-finetune always writes its settings of LoRA; whether the weights are merged is seen by the tensors.
_IGNORED = ("max_batch_size", "model_type", "causal", "lora")
# mistral-inference's reference value, which it takes where params.json does not say.
_DEFAULT_CONTEXT = 32768


#: No model has more layers, heads, rows or columns.
Count = Annotated[int, Field(gt=0, le=2**20)]


class MixtureParams(BaseModel):
    """The ``moe`` block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_experts: Count
    num_experts_per_tok: Count


class RawParams(BaseModel):
    """The fields of params.json, under its own names."""

    model_config = ConfigDict(frozen=True, extra="allow")

    dim: Count
    n_layers: Count
    hidden_dim: Count
    n_heads: Count
    norm_eps: float
    vocab_size: Count
    n_kv_heads: Count | None = None
    head_dim: Count | None = None
    rope_theta: float | None = None
    sliding_window: int | None = None
    max_seq_len: int | None = None
    max_position_embeddings: int | None = None
    tied_embeddings: bool = False
    moe: MixtureParams | None = None

    @property
    def kv_heads(self) -> int:
        """Return the number of key and value heads; by default that of query heads."""
        return self.n_kv_heads or self.n_heads

    @property
    def head_size(self) -> int:
        """Return the dimension of one head."""
        return self.head_dim or self.dim // self.n_heads


def parse_params(raw: Mapping[str, Any]) -> RawParams:
    """Return the fields of params.json; raises RawParamsError and RawVariantError."""
    for name, reason in _OTHER_MODELS.items():
        if raw.get(name):
            raise RawVariantError(f"params.json: {name}", f"{name} = {raw[name]}: {reason}")
    if raw.get("model_type", "transformer") != "transformer":
        raise RawVariantError("params.json: model_type", str(raw["model_type"]))
    try:
        return RawParams.model_validate(raw)
    except ValidationError as error:
        raise RawParamsError("params.json", str(error)) from error


def hf_config(params: RawParams, torch_dtype: str) -> tuple[dict[str, Any], list[str]]:
    """Return config.json's content, and a note on each value that params.json lacks."""
    notes: list[str] = []
    config = {
        "architectures": ["MixtralForCausalLM" if params.moe else "MistralForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": params.head_size,
        "hidden_act": "silu",
        "hidden_size": params.dim,
        "initializer_range": 0.02,
        "intermediate_size": params.hidden_dim,
        "max_position_embeddings": _context(params, notes),
        "model_type": "mixtral" if params.moe else "mistral",
        "num_attention_heads": params.n_heads,
        "num_hidden_layers": params.n_layers,
        "num_key_value_heads": params.kv_heads,
        "rms_norm_eps": params.norm_eps,
        "rope_theta": _rope_theta(params, notes),
        "sliding_window": params.sliding_window,
        "tie_word_embeddings": params.tied_embeddings,
        "torch_dtype": torch_dtype,
        "use_cache": True,
        "vocab_size": params.vocab_size,
    }
    if params.moe:
        config |= {
            "num_local_experts": params.moe.num_experts,
            "num_experts_per_tok": params.moe.num_experts_per_tok,
            "output_router_logits": False,
            "router_aux_loss_coef": 0.02,
        }
    unknown = sorted(set(params.model_extra or {}) - set(_IGNORED) - set(_OTHER_MODELS))
    notes += [f"params.json: {name} is not known and was left out." for name in unknown]
    return config, notes


def _context(params: RawParams, notes: list[str]) -> int:
    said = params.max_position_embeddings or params.max_seq_len
    if said is None:
        notes.append(f"params.json does not say the context; max_position_embeddings = {_DEFAULT_CONTEXT} was assumed.")
    return said or _DEFAULT_CONTEXT


def _rope_theta(params: RawParams, notes: list[str]) -> float:
    if params.rope_theta is not None:
        return params.rope_theta
    # Only Mistral 7B v0.1 has a sliding window, and it alone was trained with 10,000.
    assumed = 10000.0 if params.sliding_window else 1000000.0
    notes.append(f"params.json does not say rope_theta; {assumed:g} was assumed, as Mistral's own code does.")
    return assumed
