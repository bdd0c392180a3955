"""Mistral's forward pass over its raw weights, written from the architecture, with none of transformers' code."""

from __future__ import annotations

from typing import Any

import torch


def raw_logits(state: dict[str, torch.Tensor], params: dict[str, Any], tokens: torch.Tensor) -> torch.Tensor:
    """Logits in float64 for one sequence."""
    weights = {name: tensor.double() for name, tensor in state.items()}
    hidden = weights["tok_embeddings.weight"][tokens]
    for number in range(params["n_layers"]):
        layer = {
            n.removeprefix(f"layers.{number}."): w for n, w in weights.items() if n.startswith(f"layers.{number}.")
        }
        hidden = hidden + _attention(_norm(hidden, layer["attention_norm.weight"], params), layer, params)
        hidden = hidden + _feed_forward(_norm(hidden, layer["ffn_norm.weight"], params), layer, params)
    return _norm(hidden, weights["norm.weight"], params) @ weights["output.weight"].T


def _norm(x: torch.Tensor, weight: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + params["norm_eps"]) * weight


def _rotate(x: torch.Tensor, theta: float) -> torch.Tensor:
    """Neighbouring pairs as complex numbers, turned by position."""
    length, _, size = x.shape
    angles = torch.outer(torch.arange(length).double(), theta ** (-torch.arange(0, size, 2).double() / size))
    turned = (
        torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2)) * torch.polar(torch.ones_like(angles), angles)[:, None]
    )
    return torch.view_as_real(turned).flatten(-2)


def _attention(x: torch.Tensor, layer: dict[str, torch.Tensor], params: dict[str, Any]) -> torch.Tensor:
    length, size = x.shape[0], params["head_dim"]
    q, k, v = (
        (x @ layer[f"attention.w{name}.weight"].T).view(length, heads, size)
        for name, heads in (("q", params["n_heads"]), ("k", params["n_kv_heads"]), ("v", params["n_kv_heads"]))
    )
    q, k = _rotate(q, params["rope_theta"]), _rotate(k, params["rope_theta"])
    k, v = (t.repeat_interleave(params["n_heads"] // params["n_kv_heads"], dim=1) for t in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) / size**0.5
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf")).softmax(-1)
    return torch.einsum("hqk,khd->qhd", scores, v).reshape(length, -1) @ layer["attention.wo.weight"].T


def _feed_forward(x: torch.Tensor, layer: dict[str, torch.Tensor], params: dict[str, Any]) -> torch.Tensor:
    if "moe" not in params:
        return _swiglu(x, layer, "feed_forward")
    chosen, experts = (x @ layer["feed_forward.gate.weight"].T).topk(params["moe"]["num_experts_per_tok"])
    shares = chosen.softmax(-1)
    rows = []
    for row, share, numbers in zip(x, shares, experts, strict=True):
        parts = [
            s * _swiglu(row, layer, f"feed_forward.experts.{n}") for s, n in zip(share, numbers.tolist(), strict=True)
        ]
        rows.append(torch.stack(parts).sum(0))
    return torch.stack(rows)


def _swiglu(x: torch.Tensor, layer: dict[str, torch.Tensor], prefix: str) -> torch.Tensor:
    gate = torch.nn.functional.silu(x @ layer[f"{prefix}.w1.weight"].T)
    return (gate * (x @ layer[f"{prefix}.w3.weight"].T)) @ layer[f"{prefix}.w2.weight"].T
