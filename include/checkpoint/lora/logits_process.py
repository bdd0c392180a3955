"""Compute the logits of peft's own model and of the merged files, as a process with limits of its own.

Reads the folders ``base``, ``adapter`` and ``merged`` and the number of ``sequences`` as JSON from standard input, and
writes one JSON object: the figures of a ``LogitsProof``, or the ``problem`` that kept it from comparing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SEED = 0
TOKENS = 16
# Rounding sends single tokens of a model with routed experts to another expert; up to a quarter of them may differ.
COUNTED_TOKENS = 0.75
# The least relative rounding of a tensor that is allowed for: in float32 it matters how sums are formed, too.
LEAST_ROUNDOFF = 2.0**-20


def main() -> None:
    """Compare what the job names; any failure is the answer's ``problem``."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    job = json.load(sys.stdin)
    try:
        answer = compare(Path(job["base"]), Path(job["adapter"]), Path(job["merged"]), job["sequences"])
    except Exception as error:  # whatever transformers and peft raise is the answer
        answer = {"problem": f"{type(error).__name__}: {error}".partition("\n")[0][:500]}
    json.dump(answer, sys.stdout)


def compare(base_dir: Path, adapter_dir: Path, merged_dir: Path, sequences: int) -> dict[str, Any]:
    """Return how far the merged model's logits are from peft's, how far rounding takes them, and the adapter's effect.

    All models compute in float32, so that merged and unmerged differ by the rounding of the stored weights only.
    """
    import torch

    torch.manual_seed(SEED)
    merged = _load(merged_dir)
    model = _load(base_dir)
    rows, base_rows = _rows(merged), _rows(model)
    if rows != base_rows:
        model.resize_token_embeddings(rows, mean_resizing=False)
    tokens = random_tokens(sequences, rows, [*_trained_tokens(adapter_dir), *range(base_rows, rows)])
    before, trained = _logits(model, tokens), _logits(_with_adapter(model, adapter_dir), tokens)
    del model
    found = _logits(merged, tokens)
    _disturb(merged, base_dir, merged_dir)
    disturbed = _logits(merged, tokens)
    smallest = LEAST_ROUNDOFF * float(found.abs().max())
    return {
        "difference": distance(found, trained),
        "rounding": max(distance(disturbed, found), smallest),
        "adapter_effect": distance(trained, before),
    }


def _load(folder: Path) -> Any:
    import torch

    from include.checkpoint.lora.peft_merge import model_class

    model = model_class(folder).from_pretrained(
        folder, torch_dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    return model.eval()


def _with_adapter(model: Any, adapter_dir: Path) -> Any:
    from include.checkpoint.lora.peft_merge import with_adapter

    return with_adapter(model, str(adapter_dir)).eval()


def _rows(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])


def _trained_tokens(adapter_dir: Path) -> list[int]:
    from include.checkpoint.lora.adapter import CONFIG

    indices = json.loads((adapter_dir / CONFIG).read_bytes()).get("trainable_token_indices") or []
    return indices if isinstance(indices, list) else [row for rows in indices.values() for row in rows]


def random_tokens(sequences: int, rows: int, trained: list[int]) -> torch.Tensor:
    """Return sequences of token ids; where single tokens were trained, every other token is one of them."""
    import torch

    tokens = torch.randint(rows, (sequences, TOKENS))
    if trained:
        choice = torch.randint(len(trained), (sequences, TOKENS // 2))
        tokens[:, ::2] = torch.tensor(trained)[choice]
    return tokens


def _logits(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    import torch

    more = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=tokens, **more).logits.float()
    return logits


def distance(left: torch.Tensor, right: torch.Tensor) -> float:
    """Return the largest difference of a token's logits that three quarters of the tokens stay below."""
    return float((left - right).abs().amax(-1).flatten().quantile(COUNTED_TOKENS))


def _disturb(merged: Any, base_dir: Path, merged_dir: Path) -> None:
    """Move every tensor that the merge changed by up to a rounding of the dtype that it is, or was, stored in.

    It is rounded to the base's dtype when it is merged, and to another one after that.
    """
    import torch

    state = merged.state_dict()
    for name, stored, merged_in in _changed(base_dir, merged_dir):
        limits = torch.finfo(stored.dtype)
        relative = max(limits.eps / 2, torch.finfo(merged_in).eps / 2, LEAST_ROUNDOFF)
        allowed = state[name].abs() * relative + limits.smallest_normal * limits.eps / 2
        state[name].add_(allowed * (2 * torch.rand_like(allowed) - 1))


def _changed(base_dir: Path, merged_dir: Path) -> Iterator[tuple[str, torch.Tensor, torch.dtype]]:
    """Yield the tensors with other values than the base's, and the dtype that they were merged in."""
    import torch

    base = dict(_tensors(base_dir))
    for name, tensor in _tensors(merged_dir):
        before = base.get(name, tensor)
        if name not in base or not torch.equal(tensor.float(), before.float()):
            yield name, tensor, before.dtype


def _tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                yield name, file.get_tensor(name)


if __name__ == "__main__":
    main()
