"""Mistral's raw layout, made from a transformers model by undoing the renaming and the permutation of q and k."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

_NAMES = (
    (r"model\.embed_tokens\.weight", r"tok_embeddings.weight"),
    (r"model\.norm\.weight", r"norm.weight"),
    (r"lm_head\.weight", r"output.weight"),
    (r"model\.layers\.(\d+)\.self_attn\.(.)_proj\.weight", r"layers.\1.attention.w\2.weight"),
    (r"model\.layers\.(\d+)\.input_layernorm\.weight", r"layers.\1.attention_norm.weight"),
    (r"model\.layers\.(\d+)\.post_attention_layernorm\.weight", r"layers.\1.ffn_norm.weight"),
    (r"model\.layers\.(\d+)\.mlp\.gate_proj\.weight", r"layers.\1.feed_forward.w1.weight"),
    (r"model\.layers\.(\d+)\.mlp\.down_proj\.weight", r"layers.\1.feed_forward.w2.weight"),
    (r"model\.layers\.(\d+)\.mlp\.up_proj\.weight", r"layers.\1.feed_forward.w3.weight"),
    (r"model\.layers\.(\d+)\.block_sparse_moe\.(.*)", r"layers.\1.feed_forward.\2"),
)


def raw_state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The model's tensors under Mistral's names, q and k as Mistral's own rotation wants them."""
    config = model.config
    heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}
    state = {}
    for name, tensor in model.state_dict().items():
        if match := re.search(r"self_attn\.([qk])_proj", name):
            count = heads[match[1]]
            size = tensor.shape[0] // count
            tensor = tensor.view(count, 2, size // 2, -1).transpose(1, 2).reshape(tensor.shape)
        raw = next(re.sub(pattern, new, name) for pattern, new in _NAMES if re.fullmatch(pattern, name))
        state[raw] = tensor.contiguous().clone()
    return state


def raw_params(model: PreTrainedModel) -> dict[str, object]:
    """params.json's content."""
    config = model.config
    params = {
        "dim": config.hidden_size,
        "n_layers": config.num_hidden_layers,
        "head_dim": config.hidden_size // config.num_attention_heads,
        "hidden_dim": config.intermediate_size,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "norm_eps": config.rms_norm_eps,
        "vocab_size": config.vocab_size,
        "rope_theta": config.rope_theta,
        "max_seq_len": config.max_position_embeddings,
    }
    if config.model_type == "mixtral":
        params["moe"] = {"num_experts": config.num_local_experts, "num_experts_per_tok": config.num_experts_per_tok}
    return params


def save_raw(model: PreTrainedModel, folder: Path, kind: str = "safetensors") -> Path:
    """A raw folder without a tokenizer, its weights stored in one of the ``WRITERS`` ways."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.json").write_text(json.dumps(raw_params(model)))
    WRITERS[kind](raw_state(model), folder)
    return folder


def _one_safetensors(state: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(state, folder / "consolidated.safetensors")


def _one_pth(state: dict[str, torch.Tensor], folder: Path) -> None:
    torch.save(state, folder / "consolidated.00.pth")


def _names_split(state: dict[str, torch.Tensor], folder: Path) -> None:
    names = list(state)
    for number, part in enumerate((names[::2], names[1::2])):
        torch.save({name: state[name] for name in part}, folder / f"consolidated.{number:02d}.pth")


def _tensors_split(state: dict[str, torch.Tensor], folder: Path) -> None:
    """Every matrix cut in two, as for two devices."""
    for number in range(2):
        part = {}
        for name, tensor in state.items():
            by_columns = re.search(r"tok_embeddings|attention\.wo|feed_forward\.w2", name) is not None
            whole = tensor.ndim == 1
            part[name] = tensor if whole else tensor.chunk(2, dim=int(by_columns))[number].contiguous().clone()
        torch.save(part, folder / f"consolidated.{number:02d}.pth")


def _stacked_experts(state: dict[str, torch.Tensor], folder: Path) -> None:
    """The first Mixtral release: the experts of a layer below each other, w2 turned."""
    stacked: dict[str, list[torch.Tensor]] = {}
    plain = {}
    for name, tensor in state.items():
        if match := re.fullmatch(r"(layers\.\d+)\.feed_forward\.experts\.\d+\.(w\d)\.weight", name):
            turned = tensor.T if match[2] == "w2" else tensor
            stacked.setdefault(f"{match[1]}.block_sparse_moe.{match[2]}", []).append(turned)
        else:
            plain[name.replace("feed_forward.gate", "block_sparse_moe.gate")] = tensor
    merged = plain | {name: torch.cat(parts).contiguous() for name, parts in stacked.items()}
    for number, part in enumerate((list(merged)[::2], list(merged)[1::2])):
        torch.save({name: merged[name] for name in part}, folder / f"consolidated.{number:02d}.pt")


WRITERS = {
    "safetensors": _one_safetensors,
    "pth": _one_pth,
    "names split": _names_split,
    "tensors split": _tensors_split,
    "stacked experts": _stacked_experts,
}
