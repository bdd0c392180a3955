"""An imported checkpoint in memory: loaded by transformers, strictly. Import this module late: it brings torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import torch
import transformers

from include.local_aws.bedrock.import_failures import ModelLoadError, TokenizerError, WeightsMismatchError
from include.local_aws.bedrock.service_rules import Architecture, service_rules

_LOADING = Lock()  # transformers imports its model modules while it loads; one load at a time
MAX_LISTED = 5
PROBLEMS = {
    "missing_keys": "missing tensors",
    "unexpected_keys": "unexpected tensors",
    "mismatched_keys": "size mismatch for",
    "error_msgs": "errors",
}

transformers.logging.set_verbosity_error()  # what it would warn of fails the import, with the reason
transformers.logging.disable_progress_bar()


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer. `turn` is held while it generates: one answer at a time."""

    model: Any
    tokenizer: Any
    chat_template: str | None
    turn: Lock = field(default_factory=Lock)

    @property
    def context_length(self) -> int:
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 131_072))

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens with which the model ends its answers."""
        end = self.model.generation_config.eos_token_id
        return frozenset(end if isinstance(end, list) else {end} - {None})

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())


def load_checkpoint(folder: Path, architecture: Architecture, tokenizer_classes: tuple[str, ...]) -> LoadedModel:
    """Return the model of a folder, in the precision of its files.

    Raises TokenizerError, WeightsMismatchError, ModelLoadError. No code of the checkpoint is ever run.
    """
    torch.set_num_threads(1)
    with _LOADING:
        tokenizer = _load_tokenizer(folder, tokenizer_classes)
        model = _load_model(folder, architecture)
    return LoadedModel(model.eval(), tokenizer, _chat_template(folder, tokenizer))


def _load_tokenizer(folder: Path, allowed: tuple[str, ...]) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a library makes of a broken file is the job's failure message
        raise TokenizerError(str(error)) from error
    found = type(tokenizer).__name__
    if found not in allowed:
        raise TokenizerError(f"{found} is not one of the supported classes: {', '.join(allowed)}.")
    return tokenizer


def _load_model(folder: Path, architecture: Architecture) -> Any:
    loader = getattr(transformers, architecture.loader)
    try:
        model, report = loader.from_pretrained(
            folder,
            config=_config(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            torch_dtype="auto",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they come with their names in the report, and are refused there
        )
    except Exception as error:
        raise ModelLoadError(str(error)) from error
    _check_report(report)
    return model


def _config(folder: Path) -> Any:
    """The checkpoint's configuration, with the rotary embedding that the service gives to Llama 3."""
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    text = config.get_text_config()
    scaling = getattr(text, "rope_scaling", None) or {}
    if scaling.get("rope_type", scaling.get("type")) == "llama3":
        text.rope_scaling = dict(service_rules().llama3_rope_scaling)
    return config


def _check_report(report: Mapping[str, Any]) -> None:
    """Raises WeightsMismatchError for what transformers only warns of: missing weights are random afterwards."""
    problems = [f"{words}: {_some(report[kind])}" for kind, words in PROBLEMS.items() if report[kind]]
    if problems:
        raise WeightsMismatchError("; ".join(problems))


def _some(names: Any) -> str:
    listed = sorted(map(str, names))
    more = f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
    return ", ".join(listed[:MAX_LISTED]) + more


def _chat_template(folder: Path, tokenizer: Any) -> str | None:
    """The template: a chat_template.json wins over tokenizer_config.json, a chat_template.jinja over both."""
    beside = folder / "chat_template.json"
    if beside.exists() and not (folder / "chat_template.jinja").exists():
        return str(json.loads(beside.read_text(encoding="utf-8"))["chat_template"])
    template = tokenizer.chat_template
    return template.get("default") if isinstance(template, dict) else template
