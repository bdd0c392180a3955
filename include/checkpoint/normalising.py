"""Metadata written by transformers 5 in the words that 4.51.3 reads, and 5 as well.

4.51.3 reads a configuration of 5 without an error, and takes defaults for what it does not find: a worse model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.checkpoint.json_files import format_json, read_json, read_json_if_any
from include.checkpoint.overlay import overlay, pin_of
from include.checkpoint.reading import LOCAL, RangeReader, read, verify_pins
from include.checkpoint.segments import Checkpoint
from include.checkpoint.tensors import stored_tensors

OVERLAY = "normalise.overlay"
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
TEMPLATE_JSON = "chat_template.json"
TORCH_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
# Classes that only transformers 5 has; both versions load tokenizer.json through this one.
_NEW_CLASSES = ("TokenizersBackend", "PythonBackend", "SentencePieceBackend")
_GENERIC_CLASS = "PreTrainedTokenizerFast"
_NEW_TOKENIZER_FIELDS = ("backend", "is_local", "local_files_only")


def normalise(checkpoint: Checkpoint, overlay_dir: str | Path, reader: RangeReader = LOCAL) -> Checkpoint:
    """The checkpoint with metadata that transformers 4.51.3 and 5 read alike; the same one if nothing need change.

    Changed files are written to ``normalise.overlay`` in ``overlay_dir``; a note tells of each change. Raises
    JsonInvalidError for a file that is no JSON object, SourceChangedError, DiskFullError.
    """
    config, notes = normalise_config(read_json_if_any(checkpoint, CONFIG, reader))
    changed = {CONFIG: config} if notes else {}
    if (
        CONFIG in checkpoint.names()
        and config.get("torch_dtype") is None
        and (dtype := _stored_dtype(checkpoint, reader))
    ):
        changed[CONFIG] = config | {"torch_dtype": dtype}
        notes.append(f"{CONFIG}: torch_dtype = {dtype}, as the weights are stored.")
    template = _template(checkpoint, reader)
    if TOKENIZER_CONFIG in checkpoint.names():
        tokenizer, tokenizer_notes = normalise_tokenizer(read_json(checkpoint.file(TOKENIZER_CONFIG), reader), template)
        notes += tokenizer_notes
        changed |= {TOKENIZER_CONFIG: tokenizer} if tokenizer_notes else {}
    return _with_files(checkpoint, changed, notes, Path(overlay_dir), reader) if notes else checkpoint


def normalise_config(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The configuration in 4.51.3's words, nested ones too, and a note on each change."""
    result, notes = dict(config), []
    for name, value in config.items():
        if isinstance(value, dict) and name.endswith("_config") and name != "quantization_config":
            result[name], inner = normalise_config(value)
            notes += [f"{name}: {note}" for note in inner]
    parameters = result.get("rope_parameters")
    if isinstance(parameters, dict):
        notes += _move_rope(result, parameters)
    if result.get("dtype") is not None:
        dtype = result.pop("dtype")
        result["torch_dtype"] = dtype
        notes.append(f"{CONFIG}: torch_dtype = {dtype}, which was dtype.")
    if "head_dim" in result and result["head_dim"] is None:
        del result["head_dim"]
        notes.append(f"{CONFIG}: head_dim = null was left out.")
    return result, notes


def _move_rope(config: dict[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Replace rope_parameters by rope_theta and rope_scaling."""
    del config["rope_parameters"]
    rest = {name: value for name, value in parameters.items() if name != "rope_theta"}
    notes = []
    if "rope_theta" in parameters:
        config["rope_theta"] = parameters["rope_theta"]
        notes.append(f"{CONFIG}: rope_theta = {parameters['rope_theta']}, which was in rope_parameters.")
    if rest.get("rope_type", "default") != "default":
        config["rope_scaling"] = rest
        notes.append(f"{CONFIG}: rope_scaling of type {rest['rope_type']}, which was in rope_parameters.")
    return notes or [f"{CONFIG}: rope_parameters, which said nothing, was left out."]


def normalise_tokenizer(config: Mapping[str, Any], template: str | None) -> tuple[dict[str, Any], list[str]]:
    """tokenizer_config.json in 4.51.3's words with the chat template inside, and a note on each change."""
    result, notes = dict(config), []
    named = result.get("tokenizer_class")
    if named in _NEW_CLASSES:
        result["tokenizer_class"] = _GENERIC_CLASS
        # Without this, 4.51.3 adds token_type_ids to its output, which decoders do not take.
        result.setdefault("model_input_names", ["input_ids", "attention_mask"])
        notes.append(f"{TOKENIZER_CONFIG}: tokenizer_class = {_GENERIC_CLASS}, which was {named}.")
    if isinstance(result.get("extra_special_tokens"), list):
        tokens = result.pop("extra_special_tokens")
        result["additional_special_tokens"] = tokens
        notes.append(f"{TOKENIZER_CONFIG}: additional_special_tokens, which were extra_special_tokens.")
    for name in _NEW_TOKENIZER_FIELDS:
        if name in result:
            del result[name]
            notes.append(f"{TOKENIZER_CONFIG}: {name} was left out.")
    if template is not None:
        result["chat_template"] = template
        notes.append(f"{TOKENIZER_CONFIG}: chat_template, which was in a file of its own.")
    return result, notes


def _template(checkpoint: Checkpoint, reader: RangeReader) -> str | None:
    """The chat template that lies in a file of its own; such a file wins over the one inside tokenizer_config.json."""
    if TEMPLATE in checkpoint.names():
        file = checkpoint.file(TEMPLATE)
        return read(file, 0, file.size, reader).decode()
    template = read_json_if_any(checkpoint, TEMPLATE_JSON, reader).get("chat_template")
    return template if isinstance(template, str) else None


def _stored_dtype(checkpoint: Checkpoint, reader: RangeReader) -> str | None:
    sizes: dict[str, int] = {}
    for stored in stored_tensors(checkpoint, reader).values():
        sizes[stored.entry.dtype] = sizes.get(stored.entry.dtype, 0) + stored.entry.size
    return TORCH_DTYPES.get(max(sizes, key=lambda dtype: sizes[dtype])) if sizes else None


def _with_files(
    checkpoint: Checkpoint, changed: Mapping[str, dict[str, Any]], notes: list[str], folder: Path, reader: RangeReader
) -> Checkpoint:
    data = {name: format_json(value) for name, value in changed.items()}
    dropped = {TEMPLATE, TEMPLATE_JSON} if TOKENIZER_CONFIG in changed else set()
    with overlay(folder / OVERLAY, sum(map(len, data.values()))) as out:
        written = {name: out.file(name, text) for name, text in data.items()}
        files = tuple(written.get(file.name, file) for file in checkpoint.files if file.name not in dropped)
        verify_pins(checkpoint, reader)
    return Checkpoint(
        files=files,
        pins=(*checkpoint.pins, pin_of(folder / OVERLAY)),
        notes=(*checkpoint.notes, *notes),
    )
