"""Inspect a folder or an ``s3://`` prefix by names, headers and JSON files alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.errors import PickleRefusedError
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.folder import (
    METADATA_FILES,
    RAW_ADAPTER,
    TEKKEN,
    TOKENIZER_FILES,
    is_hf_weights,
    is_read_by_bedrock,
    list_files,
    whole,
)
from include.checkpoint.files.json_files import read_json
from include.checkpoint.files.placeholders import POINTER, refuse_placeholder
from include.checkpoint.files.reading import LOCAL, RangeReader, read
from include.checkpoint.files.safetensors_header import examine_header
from include.checkpoint.files.segments import Pin
from include.checkpoint.files.torch_zip import pth_tensors
from include.checkpoint.layouts import ADAPTER_CONFIG, SourceKind, has_file, is_pickled_weights, layouts_at
from include.checkpoint.mistral.raw_params import PARAMS
from include.checkpoint.mistral.raw_weights import PATTERNS

RAW_FILES = (*PATTERNS, PARAMS, TEKKEN, "tokenizer.model*", "tokenizer.json", "tokenizer_config.json")
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", *TOKENIZER_FILES)
_TORCH_FILES = (".pth", ".pt", ".bin")
# What training leaves beside a model, and why it stays there.
LEFTOVERS = (
    ("checkpoint-*/*", "an intermediate checkpoint"),
    ("optimizer*", "optimizer state"),
    ("scheduler*", "training state"),
    ("trainer_state.json", "training state"),
    ("training_args.bin", "training state"),
    ("rng_state*", "training state"),
    ("global_step*", "training state"),
    ("*.tar.gz", "an archive"),
    ("inference.py", "SageMaker's inference code"),
    ("code/*", "SageMaker's inference code"),
    (".*", "a hidden file"),
    ("*/*", "in a subfolder"),
)


class SourceReport(BaseModel, frozen=True):
    """The result of an inspection; ``left`` maps unused files to the reason."""

    location: str
    kind: SourceKind
    layouts: tuple[SourceKind, ...]
    architecture: str | None
    parameters: int
    dtypes: dict[str, int]
    size: int
    shards: int
    context: int | None
    tokenizer: str | None
    template: str | None
    transformers_version: str | None
    base_model: str | None
    chosen: tuple[str, ...]
    left: dict[str, str]
    notes: tuple[str, ...]


def inspect(location: str | Path, reader: RangeReader = LOCAL) -> SourceReport:
    """Inspect ``location``; raises SourceUnreadableError, SourceEmptyError and SourceUnrecognisedError."""
    found = list_files(location, reader)
    layouts = layouts_at(location, found)
    kind = layouts[0]
    chosen = tuple(name for name in found if _belongs(name, kind, found))
    notes = [f"Several layouts are here ({', '.join(layouts)}); {kind} is used."] if len(layouts) > 1 else []
    shapes, dtypes = _weights(kind, {name: found[name] for name in chosen}, reader, notes)
    metadata = _Metadata(found, reader, notes)
    return SourceReport(
        location=str(location),
        kind=kind,
        layouts=layouts,
        architecture=metadata.architecture(kind),
        parameters=sum(map(math.prod, shapes)),
        dtypes=dtypes,
        size=sum(found[name].size for name in chosen),
        shards=sum(_is_weights(name, kind) for name in chosen),
        context=metadata.context(kind),
        tokenizer=metadata.tokenizer(),
        template=metadata.template(),
        transformers_version=metadata.transformers_version(),
        base_model=_text(metadata.adapter.get("base_model_name_or_path")),
        chosen=chosen,
        left={name: _why_left(name) for name in found if name not in chosen},
        notes=tuple(notes),
    )


def _belongs(name: str, kind: SourceKind, found: Mapping[str, Pin]) -> bool:
    if kind == "hf":
        return is_read_by_bedrock(name)
    if kind == "hf_pickled":
        return name in METADATA_FILES or is_pickled_weights(name)
    if kind == "adapter":
        return name in ADAPTER_FILES
    if kind == "mistral_adapter":
        return name in (RAW_ADAPTER, PARAMS)
    pattern = next(pattern for pattern in PATTERNS if has_file(pattern)(found))
    return any(fnmatch(name, wanted) for wanted in (pattern, *RAW_FILES[len(PATTERNS) :])) and "/" not in name


def _is_weights(name: str, kind: SourceKind) -> bool:
    if kind == "hf":
        return is_hf_weights(name)
    return name.endswith((".safetensors", *_TORCH_FILES))


def _why_left(name: str) -> str:
    if any(fnmatch(name, pattern) for pattern in (*PATTERNS, PARAMS, TEKKEN)):
        return "Mistral's own layout"
    if name.startswith("adapter_"):
        return "an adapter"
    return next((reason for pattern, reason in LEFTOVERS if fnmatch(name, pattern)), "not read by Bedrock")


def _weights(
    kind: SourceKind, chosen: Mapping[str, Pin], reader: RangeReader, notes: list[str]
) -> tuple[list[tuple[int, ...]], dict[str, int]]:
    """Return the shapes of all tensors, and the number of parameters per dtype."""
    shapes: list[tuple[int, ...]] = []
    dtypes: Counter[str] = Counter()
    for name, pin in chosen.items():
        if _is_weights(name, kind):
            for dtype, shape in _entries(name, pin, reader, notes):
                shapes.append(shape)
                dtypes[dtype] += math.prod(shape)
    return shapes, dict(dtypes)


def _entries(name: str, pin: Pin, reader: RangeReader, notes: list[str]) -> list[tuple[str, tuple[int, ...]]]:
    if name.endswith(".safetensors"):
        header, found = examine_header(whole(name, pin), reader)
        notes += [str(defect) for defect in found[:1]]
        return [(entry.dtype, entry.shape) for entry in header.tensors]
    try:
        refuse_placeholder(name, read(whole(name, pin), 0, len(POINTER), reader))
        if name.endswith(_TORCH_FILES) and not is_s3_uri(pin.uri):
            return [(tensor.dtype, tensor.shape) for tensor in pth_tensors(Path(pin.uri))]
        notes.append(f"{name} is a pickle; its tensors are not counted.")
    except (Defect, PickleRefusedError) as error:
        notes.append(str(error))
    return []


class _Metadata:
    """The readable JSON files of a source."""

    def __init__(self, found: Mapping[str, Pin], reader: RangeReader, notes: list[str]) -> None:
        self._found, self._reader, self._notes = found, reader, notes
        self.config = self._read("config.json")
        self.params = self._read(PARAMS)
        self.adapter = self._read(ADAPTER_CONFIG)
        self._tokenizer = self._read("tokenizer_config.json")

    def _read(self, name: str) -> dict[str, Any]:
        if name not in self._found:
            return {}
        try:
            return read_json(whole(name, self._found[name]), self._reader)
        except Defect as defect:
            self._notes.append(str(defect))
            return {}

    def architecture(self, kind: SourceKind) -> str | None:
        if kind == "adapter":
            return _text(self.adapter.get("peft_type"))
        if kind == "mistral_adapter":
            return "LORA"
        if kind == "raw_mistral":
            return "MixtralForCausalLM" if self.params.get("moe") else "MistralForCausalLM"
        named = self.config.get("architectures")
        return _text(named[0] if isinstance(named, list) and named else self.config.get("model_type"))

    def context(self, kind: SourceKind) -> int | None:
        fields = self.params if kind == "raw_mistral" else self.config
        names = ("max_position_embeddings", "max_seq_len", "n_positions")
        return next((fields[name] for name in names if isinstance(fields.get(name), int)), None)

    def tokenizer(self) -> str | None:
        if name := _text(self._tokenizer.get("tokenizer_class")):
            return name
        files = ("tokenizer.json", "tekken.json", *(name for name in self._found if name.startswith("tokenizer.model")))
        return next((name for name in files if name in self._found), None)

    def template(self) -> str | None:
        """Return where the chat template is."""
        files = ("chat_template.jinja", "chat_template.json")
        inside = ("tokenizer_config.json",) if self._tokenizer.get("chat_template") else ()
        return next((name for name in (*files, *inside) if name in self._found), None)

    def transformers_version(self) -> str | None:
        generation = self._read("generation_config.json")
        return _text(self.config.get("transformers_version")) or _text(generation.get("transformers_version"))


def _text(value: Any) -> str | None:
    # JSON may hold halves of surrogate pairs, which no report can be written with.
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else None
