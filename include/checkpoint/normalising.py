"""Rewrite metadata that Bedrock's transformers misreads or refuses.

Bedrock's transformers reads a configuration of transformers 5 without an error, and uses defaults for what it does not
find: a worse model. Transformers 5 reads what is written here as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.checkpoint.checks.config_checks import ignored_yarn_factor, is_quantization_left_over
from include.checkpoint.files.folder import INDEX, SINGLE, TEKKEN, is_hf_weights
from include.checkpoint.files.json_files import format_json, other_encodings, read_json, read_json_if_any, read_text
from include.checkpoint.files.reading import LOCAL, RangeReader, verify_pins
from include.checkpoint.files.safetensors_header import WEIGHT_DTYPES, Header
from include.checkpoint.files.segments import Checkpoint, CheckpointFile
from include.checkpoint.mistral.raw_tokenizer import files_of_tekken
from include.checkpoint.newer_configs import fit_architecture, separate_tensors
from include.checkpoint.processors import PROCESSOR_FILES, normalise_processors
from include.checkpoint.prompt_ends import TOKENIZER, leave_prompts_open, without_end_token
from include.checkpoint.writing.overlay import Overlay, overlay, pin_of
from include.checkpoint.writing.weights_headers import HeaderChanges, header_changes, sound_headers
from include.service.limits import TRANSFORMERS, load_limits

OVERLAY = "normalise.overlay"
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
TEMPLATE_JSON = "chat_template.json"
# Classes that only transformers 5 has; both versions load tokenizer.json through this one.
_NEW_CLASSES = ("TokenizersBackend", "PythonBackend", "SentencePieceBackend")
_GENERIC_CLASS = "PreTrainedTokenizerFast"
_NEW_TOKENIZER_FIELDS = ("backend", "is_local", "local_files_only")


def normalise(checkpoint: Checkpoint, overlay_dir: str | Path, reader: RangeReader = LOCAL) -> Checkpoint:
    """Return the checkpoint with metadata that both versions of transformers read alike; unchanged if possible.

    Changed files, and new headers of weights files, are written to ``normalise.overlay`` in ``overlay_dir``; a note
    describes each change. Raises JsonInvalidError and TextInvalidError for a file that is no JSON object or no text,
    SourceChangedError, DiskFullError.
    """
    stale = _unindexed_shards(checkpoint, reader)
    headers = sound_headers(checkpoint, stale, reader)
    weights = header_changes(headers, separate_tensors(read_json_if_any(checkpoint, CONFIG, reader)))
    template = separate_template(checkpoint, reader) if {TOKENIZER_CONFIG, TEKKEN} & set(checkpoint.names()) else None
    changed, notes = _metadata(checkpoint, headers, template, reader)
    changed |= _renamed_index(checkpoint, weights, reader)
    made, made_notes = _made_index(checkpoint, headers, weights)
    changed, notes = changed | made, notes + made_notes
    kept = INDEX if INDEX in checkpoint.names() else SINGLE
    notes += [*weights.notes, *(f"{name} was left out: {TRANSFORMERS} reads {kept} and ignores it." for name in stale)]
    if not notes:
        return checkpoint
    dropped = (*stale, TEKKEN, *((TEMPLATE, TEMPLATE_JSON) if template is not None else ()))
    path = Path(overlay_dir) / OVERLAY
    with overlay(path, sum(map(len, changed.values()))) as out:
        files = [_written(file, changed, weights, out) for file in checkpoint.files if file.name not in dropped]
        files += [out.file(name, data) for name, data in changed.items() if name not in checkpoint.names()]
        verify_pins(checkpoint, reader)
    pins = (*checkpoint.pins, pin_of(path))
    return Checkpoint(files=tuple(files), pins=pins, notes=(*checkpoint.notes, *notes))


def _written(
    file: CheckpointFile, changed: Mapping[str, bytes], weights: HeaderChanges, out: Overlay
) -> CheckpointFile:
    if file.name in weights.headers:
        return weights.file(file, out)
    return out.file(file.name, changed[file.name]) if file.name in changed else file


def _metadata(
    checkpoint: Checkpoint, headers: Mapping[str, Header], template: str | None, reader: RangeReader
) -> tuple[dict[str, bytes], list[str]]:
    """Return the text files that change, and a note on each change."""
    changed, notes = _in_utf8(checkpoint, reader)
    config, config_notes = _config(checkpoint, headers, reader)
    changed |= {CONFIG: format_json(config)} if config_notes else {}
    made, made_notes = _made_tokenizer(checkpoint, reader)
    found = json.loads(made[TOKENIZER_CONFIG]) if made else read_json_if_any(checkpoint, TOKENIZER_CONFIG, reader)
    tokenizer, tokenizer_notes = normalise_tokenizer(found, template)
    opened, opened_notes = _opened_prompts(checkpoint, config, tokenizer, reader)
    changed |= made | ({TOKENIZER_CONFIG: format_json(tokenizer)} if tokenizer_notes else {}) | opened
    processors = {
        name: read_json_if_any(checkpoint, name, reader) for name in PROCESSOR_FILES if name in checkpoint.names()
    }
    split, split_notes = normalise_processors(processors)
    changed |= {name: format_json(content) for name, content in split.items()}
    return changed, [*notes, *config_notes, *made_notes, *tokenizer_notes, *opened_notes, *split_notes]


def _opened_prompts(
    checkpoint: Checkpoint, config: Mapping[str, Any], tokenizer_config: Mapping[str, Any], reader: RangeReader
) -> tuple[dict[str, bytes], list[str]]:
    """Return the tokenizer's files that change so that it does not end every prompt, and a note on each."""
    changed, notes = {}, []
    switched, has_switch = leave_prompts_open(config, tokenizer_config)
    if has_switch:
        changed[TOKENIZER_CONFIG] = format_json(switched)
        notes.append(f"{TOKENIZER_CONFIG}: add_eos_token = false, since a prompt must not end with the end token.")
    if TOKENIZER in checkpoint.names():
        tokenizer = read_json(checkpoint.file(TOKENIZER), reader)
        if (shortened := without_end_token(config, tokenizer_config, tokenizer)) is not None:
            changed[TOKENIZER] = format_json(shortened)
            notes.append(f"{TOKENIZER}: no end token after a prompt, which its post_processor added.")
    return changed, notes


def _made_tokenizer(checkpoint: Checkpoint, reader: RangeReader) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of a tokenizer made from tekken.json, where that is the only one, and a note."""
    if TEKKEN not in checkpoint.names():
        return {}, []
    return files_of_tekken(read_json(checkpoint.file(TEKKEN), reader))


def _in_utf8(checkpoint: Checkpoint, reader: RangeReader) -> tuple[dict[str, bytes], list[str]]:
    """Return the text files that Bedrock's transformers cannot decode, in UTF-8, and a note on each."""
    others = other_encodings(checkpoint, reader)
    texts = {name: read_text(checkpoint.file(name), reader).encode() for name in others}
    return texts, [f"{name}: in UTF-8, which was in {encoding}." for name, encoding in others.items()]


def _unindexed_shards(checkpoint: Checkpoint, reader: RangeReader) -> list[str]:
    """Return the weights files that Bedrock's transformers ignores: it reads what the index names, or one file."""
    shards = {name for name in checkpoint.names() if is_hf_weights(name)}
    if INDEX not in checkpoint.names():
        return sorted(shards - {SINGLE}) if SINGLE in shards else []
    if SINGLE in shards:
        return []
    weight_map = read_json(checkpoint.file(INDEX), reader).get("weight_map")
    named = set(map(str, weight_map.values())) if isinstance(weight_map, dict) else set()
    return sorted(shards - named) if named and named <= shards else []


def _config(
    checkpoint: Checkpoint, headers: Mapping[str, Header], reader: RangeReader
) -> tuple[dict[str, Any], list[str]]:
    if CONFIG not in checkpoint.names():
        return {}, []
    config, notes = normalise_config(read_json(checkpoint.file(CONFIG), reader))
    sizes: Counter[str] = Counter()
    for entry in (entry for header in headers.values() for entry in header.tensors):
        sizes[entry.dtype] += entry.size
    architecture = load_limits().architectures.supported.get(str(config.get("model_type")))
    if not (architecture and architecture.quantized) and is_quantization_left_over(config, set(sizes)):
        del config["quantization_config"]
        notes.append(f"{CONFIG}: quantization_config was left out, as no tensor is quantized.")
    if config.get("torch_dtype") is None and sizes and (dtype := WEIGHT_DTYPES.get(max(sizes, key=sizes.__getitem__))):
        config["torch_dtype"] = dtype
        notes.append(f"{CONFIG}: torch_dtype = {dtype}, as the weights are stored.")
    return config, notes


def _renamed_index(checkpoint: Checkpoint, weights: HeaderChanges, reader: RangeReader) -> dict[str, bytes]:
    """Return the index with new names and new tensors, where there are any."""
    index = read_json_if_any(checkpoint, INDEX, reader) if weights.names or weights.copies else {}
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict):
        return {}
    renamed = {weights.names.get(name, name): file for name, file in weight_map.items()}
    renamed |= {name: copy.file for name, copy in weights.copies.items()}
    metadata = index.get("metadata")
    if isinstance(metadata, dict) and isinstance(size := metadata.get("total_size"), int):
        index["metadata"] = metadata | {"total_size": size + sum(copy.entry.size for copy in weights.copies.values())}
    return {INDEX: format_json(index | {"weight_map": renamed})}


def _made_index(
    checkpoint: Checkpoint, headers: Mapping[str, Header], weights: HeaderChanges
) -> tuple[dict[str, bytes], list[str]]:
    """Return an index for shards that have none, and a note; no tensor may be in two of them."""
    entries = [(name, entry) for name, header in headers.items() for entry in header.tensors]
    entries += [(copy.file, replace(copy.entry, name=name)) for name, copy in weights.copies.items()]
    weight_map = {weights.names.get(entry.name, entry.name): file for file, entry in entries}
    if INDEX in checkpoint.names() or SINGLE in headers or not entries or len(weight_map) < len(entries):
        return {}, []
    index = {"metadata": {"total_size": sum(entry.size for _, entry in entries)}, "weight_map": weight_map}
    return {INDEX: format_json(index)}, [f"{INDEX}: made for {', '.join(headers)}, which had none."]


def normalise_config(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration with the fields of Bedrock's transformers, and a note on each change."""
    result = deepcopy(dict(config))
    notes = fit_architecture(result)
    for name, value in list(result.items()):
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
    if section := rest.get("mrope_section"):
        config["rope_scaling"] = {"type": "mrope", "mrope_section": section}
        notes.append(f"{CONFIG}: rope_scaling of type mrope, which was in rope_parameters.")
    elif rest.get("rope_type", "default") != "default":
        config["rope_scaling"] = rest
        notes.append(f"{CONFIG}: rope_scaling of type {rest['rope_type']}, which was in rope_parameters.")
    if ignored := ignored_yarn_factor(config):
        notes.append(
            f"{CONFIG}: max_position_embeddings = {ignored.context}, which was {config['max_position_embeddings']}: "
            f"{TRANSFORMERS} takes the factor of YaRN, {ignored.factor:g}, from it."
        )
        config["max_position_embeddings"] = ignored.context
    return notes or [f"{CONFIG}: rope_parameters, which said nothing, was left out."]


def normalise_tokenizer(config: Mapping[str, Any], template: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return tokenizer_config.json as Bedrock's transformers reads it, with the template inside, and the notes."""
    result, notes = dict(config), []
    named = result.get("tokenizer_class")
    if named in _NEW_CLASSES:
        result["tokenizer_class"] = _GENERIC_CLASS
        # Without this, Bedrock's transformers adds token_type_ids to its output, which decoders do not take.
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
        notes.append(f"{TOKENIZER_CONFIG}: chat_template, which was in a separate file.")
    return result, notes


def separate_template(checkpoint: Checkpoint, reader: RangeReader = LOCAL) -> str | None:
    """Return the chat template of a separate file, which takes precedence over the one in tokenizer_config.json."""
    if TEMPLATE in checkpoint.names():
        return read_text(checkpoint.file(TEMPLATE), reader)
    template = read_json_if_any(checkpoint, TEMPLATE_JSON, reader).get("chat_template")
    return template if isinstance(template, str) else None
