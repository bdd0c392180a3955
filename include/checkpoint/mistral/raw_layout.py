"""Map each tensor of Mistral's own layout to the Hugging Face layout."""

from __future__ import annotations

import re
from typing import Literal

from include.checkpoint.errors import RawTensorError

# as_is: renamed. rope_q, rope_k: rows permuted inside each head. experts: cut into one tensor per expert by rows.
# experts_t: cut and transposed.
Treatment = Literal["as_is", "rope_q", "rope_k", "experts", "experts_t"]

_RULES: tuple[tuple[str, str, Treatment], ...] = (
    (r"tok_embeddings\.weight", r"model.embed_tokens.weight", "as_is"),
    (r"norm\.weight", r"model.norm.weight", "as_is"),
    (r"output\.weight", r"lm_head.weight", "as_is"),
    (r"layers\.(\d+)\.attention\.wq\.weight", r"model.layers.\1.self_attn.q_proj.weight", "rope_q"),
    (r"layers\.(\d+)\.attention\.wk\.weight", r"model.layers.\1.self_attn.k_proj.weight", "rope_k"),
    (r"layers\.(\d+)\.attention\.w([vo])\.weight", r"model.layers.\1.self_attn.\2_proj.weight", "as_is"),
    (r"layers\.(\d+)\.attention_norm\.weight", r"model.layers.\1.input_layernorm.weight", "as_is"),
    (r"layers\.(\d+)\.ffn_norm\.weight", r"model.layers.\1.post_attention_layernorm.weight", "as_is"),
    (r"layers\.(\d+)\.feed_forward\.w1\.weight", r"model.layers.\1.mlp.gate_proj.weight", "as_is"),
    (r"layers\.(\d+)\.feed_forward\.w2\.weight", r"model.layers.\1.mlp.down_proj.weight", "as_is"),
    (r"layers\.(\d+)\.feed_forward\.w3\.weight", r"model.layers.\1.mlp.up_proj.weight", "as_is"),
    (
        r"layers\.(\d+)\.(?:feed_forward|block_sparse_moe)\.gate\.weight",
        r"model.layers.\1.block_sparse_moe.gate.weight",
        "as_is",
    ),
    (
        r"layers\.(\d+)\.feed_forward\.experts\.(\d+)\.(w[123])\.weight",
        r"model.layers.\1.block_sparse_moe.experts.\2.\3.weight",
        "as_is",
    ),
    (r"layers\.(\d+)\.block_sparse_moe\.(w[13])", r"model.layers.\1.block_sparse_moe.experts.{}.\2.weight", "experts"),
    (r"layers\.(\d+)\.block_sparse_moe\.(w2)", r"model.layers.\1.block_sparse_moe.experts.{}.\2.weight", "experts_t"),
)
# How a tensor that is split over several files is put together: by rows, by columns, or it is the same in each file.
_BY_COLUMNS = re.compile(r"tok_embeddings\.weight|layers\.\d+\.(attention\.wo|feed_forward\.w2)\.weight")
_NOT_SPLIT = re.compile(r"(.*\.)?(attention_norm|ffn_norm|norm|gate)\.weight")


def place(name: str) -> tuple[str, Treatment]:
    """Return the Hugging Face name (``{}`` for the expert's number) and the treatment; raises RawTensorError."""
    for pattern, target, treatment in _RULES:
        if match := re.fullmatch(pattern, name):
            return match.expand(target), treatment
    raise RawTensorError(name, "one of Mistral's tensor names", "an unknown name")


def split_axis(name: str) -> Literal[0, 1] | None:
    """Return the axis along which a tensor is split between files; None if each file holds it whole."""
    if _NOT_SPLIT.fullmatch(name):
        return None
    return 1 if _BY_COLUMNS.fullmatch(name) else 0
