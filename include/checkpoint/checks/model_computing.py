"""Load a Hugging Face folder's weights with transformers and compute one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOKENS = 16
SEED = 0
MAX_NAMED = 3


def computing_problem(folder: Path) -> str | None:
    """Return the first step that fails, and why, or None."""
    state: dict[str, Any] = {}
    for name, step in _STEPS.items():
        try:
            problem = step(folder, state)
        except Exception as error:  # whatever transformers raises is the answer
            problem = f"{type(error).__name__}: {error}"
        if problem:
            return f"{name}: {problem.partition(chr(10))[0][:500]}"
    return None


def _load(folder: Path, state: dict[str, Any]) -> str | None:
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model_class = getattr(transformers, config.architectures[0])
    model, report = model_class.from_pretrained(
        folder, torch_dtype="auto", local_files_only=True, trust_remote_code=False, output_loading_info=True
    )
    state |= {"config": config, "model": model.eval()}
    wrong = {name: keys for name, keys in report.items() if keys and name != "error_msgs"}
    return "; ".join(f"{name}: {', '.join(map(str, keys[:MAX_NAMED]))}" for name, keys in wrong.items()) or None


def _weights(_: Path, state: dict[str, Any]) -> str | None:
    wrong = list(_not_finite(state["model"].state_dict()))
    more = f" and {len(wrong) - 1} more tensors" if len(wrong) > 1 else ""
    return f"NaN or infinity in {wrong[0]}{more}" if wrong else None


def _not_finite(tensors: dict[str, Any]) -> Iterator[str]:
    for name, tensor in tensors.items():
        # aminmax takes no memory; isfinite().all() takes 30 times as long.
        if (
            tensor.is_floating_point()
            and tensor.numel()
            and not all(bool(value.isfinite()) for value in tensor.aminmax())
        ):
            yield name


def _forward(_: Path, state: dict[str, Any]) -> str | None:
    import torch

    torch.manual_seed(SEED)
    text = state["config"].get_text_config()
    ids = torch.randint(text.vocab_size, (1, TOKENS))
    more = {"decoder_input_ids": ids} if state["config"].is_encoder_decoder else {}
    with torch.inference_mode():
        logits = state["model"](input_ids=ids, **more).logits
    if not torch.isfinite(logits).all():
        return f"{int((~torch.isfinite(logits)).sum())} of {logits.numel()} logits are not finite"
    return None


_STEPS: dict[str, Callable[[Path, dict[str, Any]], str | None]] = {
    "the model": _load,
    "the weights": _weights,
    "a forward pass": _forward,
}
