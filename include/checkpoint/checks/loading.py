"""Load parts of a Hugging Face folder with Bedrock's transformers, as ``transformers_process`` asks for them.

Runs in a process with limits of its own; each question's answer is one or several values that JSON can hold.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from include.checkpoint.checks.model_building import expected_tensors
from include.checkpoint.checks.model_computing import computing_problem
from include.checkpoint.checks.template_rendering import render_chats

_PROMPT = "Hello world"


def prepare() -> None:
    """Import what takes seconds, without the libraries that transformers imports but does not need to load a model."""
    from transformers.utils import import_utils

    import_utils._accelerate_available = import_utils._sklearn_available = False
    import transformers.generation
    import transformers.modeling_utils
    import transformers.models.auto.tokenization_auto
    import transformers.tokenization_utils_fast  # noqa: F401


def prepare_for(job: Mapping[str, Any]) -> None:
    """Import the model class that is named as ``preload``."""
    import transformers

    if name := job.get("preload"):
        getattr(transformers, name, None)


def answer(question: str, job: dict[str, Any]) -> Iterator[Any]:
    """Yield the answer to one question."""
    job.pop("preload", None)
    yield from _QUESTIONS[question](**job)


def _tokenizer(folder: str, model_type: str, rows: int | None) -> Iterator[dict[str, Any]]:
    from transformers import AutoConfig, AutoTokenizer, PretrainedConfig

    try:
        known = AutoConfig.for_model(model_type) if model_type else PretrainedConfig()
        loaded = AutoTokenizer.from_pretrained(folder, config=known, local_files_only=True, trust_remote_code=False)
        ids, vocabulary = loaded(_PROMPT).input_ids, loaded.get_vocab()
        yield {
            "beyond": {} if rows is None else {token: number for token, number in vocabulary.items() if number >= rows},
            "tokens": dict(loaded.special_tokens_map),
            "end_id": loaded.eos_token_id,
            "ends_prompts": bool(ids) and ids[-1] == loaded.eos_token_id and not known.is_encoder_decoder,
        }
    except Exception as error:  # whatever transformers and tokenizers raise, it does not load
        yield {"problem": _said(error)}


def _generation(folder: str) -> Iterator[dict[str, Any]]:
    """Load the settings as from_pretrained() of the model does, and make of them what generate() makes.

    Each of the two lets through what it raises here.
    """
    from transformers import GenerationConfig

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            settings = GenerationConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # whatever transformers raises for such values, they are unusable
            yield {"problem": _said(error)}
            return
    found: dict[str, Any] = {"warnings": [str(warning.message) for warning in warned], "refused": None}
    try:
        _make_processors(settings)
    except Exception as error:  # as above
        found["refused"] = _said(error)
    yield found


def _make_processors(settings: Any) -> None:
    """Make what changes the logits at each step, such as temperature; it refuses values that are out of range."""
    import torch
    from transformers import GenerationMixin, LogitsProcessorList

    model = GenerationMixin()
    model.config = SimpleNamespace(vocab_size=2)
    settings._eos_token_tensor = torch.zeros(1, dtype=torch.long)  # generate() sets it to the end tokens
    ids = torch.ones(1, 1, dtype=torch.long)
    model._get_logits_processor(
        generation_config=settings,
        input_ids_seq_length=1,
        encoder_input_ids=ids,
        prefix_allowed_tokens_fn=None,
        logits_processor=LogitsProcessorList(),
        device="cpu",
        model_kwargs={},
    )


def _image_processor(folder: str) -> Iterator[dict[str, Any]]:
    from transformers import AutoImageProcessor

    try:
        loaded = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        said = json.loads((Path(folder) / "preprocessor_config.json").read_text("utf-8")).get("size")
        read = getattr(loaded, "size", None)
        yield {"ignored": {"said": said, "read": read} if said and isinstance(said, dict) and read != said else None}
    except Exception as error:  # as above
        yield {"problem": _said(error)}


def _config(folder: str) -> Iterator[dict[str, Any]]:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # as above
        yield {"problem": _said(error)}
        return
    yield {}


def _tensors(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        yield expected_tensors(config)
    except Exception as error:  # as above
        yield {"problem": _said(error)}


def _model(folder: str) -> Iterator[str | None]:
    yield computing_problem(Path(folder))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


_QUESTIONS: dict[str, Callable[..., Iterator[Any]]] = {
    "config": _config,
    "tensors": _tensors,
    "tokenizer": _tokenizer,
    "generation": _generation,
    "image processor": _image_processor,
    "chats": render_chats,
    "model": _model,
}
