"""Load a Hugging Face folder with transformers and compute one forward pass, as a process with limits of its own.

Reads the folder's path from standard input and writes one JSON object: the step that failed, if one did, and why.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKENS = 16
SEED = 0


def main() -> None:
    """Load the folder step by step; the first step that fails ends it."""
    failed, problem = _first_failure(json.load(sys.stdin)["folder"])
    json.dump({"failed": failed, "problem": problem.partition("\n")[0][:500]}, sys.stdout)


def _first_failure(folder: str) -> tuple[str, str]:
    state: dict[str, Any] = {}
    for name, step in STEPS.items():
        try:
            if problem := step(folder, state):
                return name, problem
        except Exception as error:  # whatever transformers raises is the answer
            return name, f"{type(error).__name__}: {error}"
    return "", ""


def _tokenizer(folder: str, state: dict[str, Any]) -> str | None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    ids = tokenizer("Hello world").input_ids
    if not ids:
        return "a text has no tokens"
    if ids[-1] == tokenizer.eos_token_id and not state["config"].is_encoder_decoder:
        return f"every prompt ends with the end token {tokenizer.eos_token}, after which the model has nothing to say"
    return None


def _config(folder: str, state: dict[str, Any]) -> str | None:
    from transformers import AutoConfig

    state["config"] = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return None


def _generation_config(folder: str, _: dict[str, Any]) -> str | None:
    from transformers import GenerationConfig

    if (Path(folder) / "generation_config.json").is_file():
        GenerationConfig.from_pretrained(folder, local_files_only=True)
    return None


def _model(folder: str, state: dict[str, Any]) -> str | None:
    import transformers

    model_class = getattr(transformers, state["config"].architectures[0])
    model, report = model_class.from_pretrained(
        folder, torch_dtype="auto", local_files_only=True, trust_remote_code=False, output_loading_info=True
    )
    state["model"] = model.eval()
    wrong = {name: keys for name, keys in report.items() if keys and name != "error_msgs"}
    return "; ".join(f"{name}: {', '.join(map(str, keys[:3]))}" for name, keys in wrong.items()) or None


def _forward(_: str, state: dict[str, Any]) -> str | None:
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


STEPS: dict[str, Callable[[str, dict[str, Any]], str | None]] = {
    "config.json": _config,
    "the tokenizer": _tokenizer,
    "the generation settings": _generation_config,
    "the model": _model,
    "a forward pass": _forward,
}

if __name__ == "__main__":
    main()
