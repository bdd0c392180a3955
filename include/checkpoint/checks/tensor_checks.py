"""Check that the tensors are those of the model that config.json describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.config_checks import CONFIG
from include.checkpoint.checks.oracle import (
    ExpectedTensors,
    ModelNotBuiltError,
    UnknownArchitectureError,
    excessive_counts,
    expected_tensors,
)
from include.checkpoint.checks.value_checks import same_samples, value_defects
from include.checkpoint.checks.weights import EMBEDDINGS, Weights
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.writing.weights_headers import unwrapped_names
from include.service.limits import TRANSFORMERS, Architecture, Limits

ADAPTER_MARKS = (".lora_A.", ".lora_B.", ".lora_embedding_", ".base_layer.", "base_model.model.")
HEAD = "lm_head.weight"
# Longer lists of missing or unexpected tensors say nothing more.
MAX_LISTED = 8


def tensor_defects(
    checkpoint: Checkpoint, config: Mapping[str, Any], weights: Weights, reader: RangeReader, limits: Limits
) -> Iterator[Defect]:
    """Yield defects of names, shapes, ties, dtypes and sampled values."""
    architecture = limits.architectures.supported.get(str(config.get("model_type")))
    if not (architecture and architecture.quantized):
        yield from _dtype_defects(weights, limits.checkpoint.dtypes)
    adapter = sorted(name for name in weights.tensors if any(mark in name for mark in ADAPTER_MARKS))
    if adapter:
        file = weights.tensors[adapter[0]].file.name
        yield defects.AdapterUnmergedError(file, "no LoRA tensors", f"{adapter[0]} and {len(adapter) - 1} more")
    elif wrapped := unwrapped_names(weights.tensors):
        yield _wrapped(wrapped, weights)
    elif architecture and weights.sound and weights.tensors:
        yield from _model_defects(config, weights, architecture, reader)
    yield from value_defects(weights, reader)


def _wrapped(wrapped: Mapping[str, str], weights: Weights) -> Defect:
    name, plain = next(iter(wrapped.items()))
    found = f"{name} and {len(wrapped) - 1} more that differ by a prefix only"
    return defects.TensorsWrappedError(weights.tensors[name].file.name, plain, found)


def _dtype_defects(weights: Weights, allowed: tuple[str, ...]) -> Iterator[Defect]:
    first: dict[str, StoredTensor] = {}
    for stored in weights.tensors.values():
        first.setdefault(stored.entry.dtype, stored)
    for dtype, stored in first.items():
        if dtype not in allowed:
            expected = f"{stored.entry.name} in {', '.join(allowed)}"
            yield defects.DtypeUnsupportedError(stored.file.name, expected, dtype)
    if len(first.keys() & set(allowed)) > 1:
        found = ", ".join(f"{dtype} ({stored.entry.name})" for dtype, stored in first.items())
        yield defects.DtypesMixedWarning("*.safetensors", "one dtype", found)


def _model_defects(
    config: Mapping[str, Any], weights: Weights, architecture: Architecture, reader: RangeReader
) -> Iterator[Defect]:
    excessive = list(excessive_counts(config, len(weights.tensors)))
    for name, value in excessive:
        yield defects.ConfigCountError(CONFIG, f"{name} of at most {len(weights.tensors)}", f"{value}")
    if excessive:
        return
    try:
        expected = expected_tensors(config, architecture.classes[0])
    except UnknownArchitectureError as error:
        yield defects.ArchitectureUncheckedWarning(CONFIG, f"an architecture of {TRANSFORMERS}", str(error))
    except ModelNotBuiltError as error:
        yield defects.ConfigUnusableError(CONFIG, "values that make a model", str(error))
    else:
        yield from _missing(config, expected, weights)
        yield from _unexpected(expected, weights)
        yield from _shapes(expected, weights)
        yield from _dropped_head(expected, weights, reader)


def _missing(config: Mapping[str, Any], expected: ExpectedTensors, weights: Weights) -> Iterator[Defect]:
    missing = [sorted(group) for group in expected.groups if not group & weights.tensors.keys()]
    names = sorted(group[0] for group in missing)
    if [HEAD] in missing:
        names.remove(HEAD)
        tied = config.get("tie_word_embeddings", "not set")
        yield defects.HeadMissingError(HEAD, "this tensor", f"none, and tie_word_embeddings is {tied}")
    for name in names[:MAX_LISTED]:
        more = f" (one of {len(names)})" if len(names) > 1 else ""
        yield defects.TensorMissingError(name, f"{expected.shapes[name]}{more}", "no such tensor")


def _unexpected(expected: ExpectedTensors, weights: Weights) -> Iterator[Defect]:
    names = [
        name
        for name in weights.tensors
        if name not in expected.shapes and not any(re.search(pattern, name) for pattern in expected.ignored)
    ]
    for name in sorted(names)[:MAX_LISTED]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield defects.TensorUnexpectedError(weights.tensors[name].file.name, "only the model's tensors", name + more)


def _shapes(expected: ExpectedTensors, weights: Weights) -> Iterator[Defect]:
    wrong = [
        stored
        for name, stored in weights.tensors.items()
        if name in expected.shapes and stored.entry.shape != expected.shapes[name]
    ]
    for stored in wrong[:MAX_LISTED]:
        name, shape, wanted = stored.entry.name, stored.entry.shape, expected.shapes[stored.entry.name]
        is_vocabulary = name.endswith((HEAD, *EMBEDDINGS))
        if is_vocabulary and shape[1:] == wanted[1:]:
            yield defects.VocabularySizeError(CONFIG, f"vocab_size = {shape[0]}, the rows of {name}", f"{wanted[0]}")
        else:
            yield defects.TensorShapeError(stored.file.name, f"{name} of shape {wanted}", f"{shape}")


def _dropped_head(expected: ExpectedTensors, weights: Weights, reader: RangeReader) -> Iterator[Defect]:
    for group in expected.groups:
        tied = sorted(group & weights.tensors.keys())
        if len(tied) > 1 and not same_samples([weights.tensors[name] for name in tied], reader):
            yield defects.HeadDroppedError(CONFIG, "tie_word_embeddings = false", f"{' and '.join(tied)} differ")
