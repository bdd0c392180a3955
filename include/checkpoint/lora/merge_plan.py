"""Plan a merge's changes of each tensor, from names, shapes and configurations alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from include.checkpoint.errors import (
    AdapterBaseMismatchError,
    AdapterEmptyError,
    AdapterRefusedError,
    QuantizedBaseError,
)
from include.checkpoint.files.safetensors_header import TensorEntry
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.adapter_checks import HEAD, WHOLE, refuse_incomplete, refuse_wrong_tensors
from include.checkpoint.lora.adapter_settings import full_precision_name, is_quantized_name

ChangeKind = Literal["linear", "dora", "embedding", "bias", "replace", "rows", "copy"]
EMBEDDING = "model.embed_tokens"
_TIED_ELSEWHERE = ("embed_tokens", "wte", "shared")
# T5's embedding: peft changes a copy of it that neither encoder nor decoder uses.
_OF_TWO_STACKS = re.compile(r"(.*\.)?(shared|(encoder|decoder)\.embed_tokens)(\..*)?")
_WITHOUT_EMBEDDING = "peft trains a copy of it that the model does not use; train the adapter without the embedding."
FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class TensorChange:
    """How one tensor of the merged model is computed.

    ``source`` is the base tensor it starts from; with ``own_base`` it starts from the adapter's ``base_layer.weight``,
    the embedding or head of a model whose vocabulary was resized before the training.
    """

    name: str
    kind: ChangeKind
    module: str
    source: str
    dtype: str
    shape: tuple[int, ...]
    own_base: bool = False

    @property
    def patches_rows(self) -> bool:
        """Return whether only some rows of the base's tensor are replaced."""
        return self.kind == "rows" and not self.own_base


@dataclass(frozen=True)
class MergePlan:
    """All changes by tensor name, the fields of config.json to set, and notes for the reader.

    ``relaid`` are the changes after which a file cannot keep its header: new tensors, and those of another shape.
    """

    changes: dict[str, TensorChange]
    relaid: tuple[TensorChange, ...] = ()
    config_edits: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plan_merge(adapter: Adapter, tensors: Mapping[str, TensorEntry], base_config: Mapping[str, Any]) -> MergePlan:
    """Return the changes of a plain LoRA, after checking that tensors and targets match.

    Raises AdapterBaseMismatchError, AdapterRefusedError, AdapterEmptyError, QuantizedBaseError and what the checks in
    ``adapter_checks`` raise.
    """
    refuse_wrong_tensors(adapter, tensors)
    tied = _is_tied(tensors, base_config)
    changes: dict[str, TensorChange] = {}
    for module, parts in adapter.modules.items():
        if _OF_TWO_STACKS.fullmatch(module):
            raise AdapterRefusedError(module, "an embedding that encoder and decoder share", _WITHOUT_EMBEDDING)
        if tied and module not in (EMBEDDING, HEAD) and module.endswith(_TIED_ELSEWHERE):
            raise AdapterRefusedError(module, "an embedding tied to the head", "Merge it with peft, check its logits.")
        for change in _changes_of(adapter, module, parts, tensors, tied):
            changes[change.name] = change
    refuse_incomplete(adapter, tensors)
    if not changes:
        raise AdapterEmptyError(adapter.config.peft_type, "no tensor of the base is named")
    head = _head_to_add(adapter, changes, tensors) if tied else None
    edits: dict[str, Any] = {"tie_word_embeddings": False} if head else {}
    changes |= {head.name: head} if head else {}
    edits |= _resized_vocabulary(changes, tensors, tied and not head)
    relaid = tuple(c for c in changes.values() if c.name not in tensors or c.shape != tensors[c.name].shape)
    return MergePlan(changes, relaid, edits, (*_base_notes(adapter, base_config), *_edit_notes(edits)))


def _is_tied(tensors: Mapping[str, TensorEntry], base_config: Mapping[str, Any]) -> bool:
    return f"{HEAD}.weight" not in tensors or base_config.get("tie_word_embeddings") is True


def _changes_of(
    adapter: Adapter, module: str, parts: Mapping[str, str], tensors: Mapping[str, TensorEntry], tied: bool
) -> list[TensorChange]:
    weight, bias = f"{module}.weight", f"{module}.bias"
    source = f"{EMBEDDING}.weight" if tied and module == HEAD else weight
    kinds: list[tuple[str, ChangeKind, str]] = []
    if WHOLE in parts:
        kinds.append((module, "replace", module))
    elif "lora_A" in parts and "lora_B" in parts:
        kinds.append((weight, "dora" if "magnitude" in parts else "linear", source))
    elif "lora_embedding_A" in parts and "lora_embedding_B" in parts:
        kinds.append((weight, "embedding", source))
    elif "token_rows" in parts:
        kinds.append((weight, "rows", source))
    elif "weight" in parts:
        kinds.append((weight, "replace", source))
    elif not {"bias", "base_weight"} & parts.keys():
        raise AdapterRefusedError(module, ", ".join(parts), "Save the adapter again; one half of the pair is missing.")
    if "lora_bias" in parts or "bias" in parts:
        kinds.append((bias, "bias" if "lora_bias" in parts else "replace", bias))
    return [_change(adapter, module, name, kind, origin, tensors) for name, kind, origin in kinds]


def _change(
    adapter: Adapter, module: str, name: str, kind: ChangeKind, source: str, tensors: Mapping[str, TensorEntry]
) -> TensorChange:
    base = tensors.get(source)
    if base is None:
        raise AdapterBaseMismatchError(name, "a tensor of this name in the base", "none")
    if base.dtype not in FLOATS:
        raise QuantizedBaseError(source, base.dtype, adapter.config.base_model_name_or_path or "unknown")
    wanted = _merged_shape(adapter, module, name, kind, base.shape)
    own_base = "base_weight" in adapter.modules[module] and adapter.shape(module, "base_weight") == wanted != base.shape
    resizes = (kind == "replace" or own_base) and module in (EMBEDDING, HEAD) and wanted[1:] == base.shape[1:]
    if wanted != base.shape and not resizes:
        raise AdapterBaseMismatchError(name, f"shape {base.shape}, as in the base", f"{wanted}")
    return TensorChange(name, kind, module, source, base.dtype, wanted, own_base)


def _merged_shape(adapter: Adapter, module: str, name: str, kind: ChangeKind, base: tuple[int, ...]) -> tuple[int, ...]:
    if kind in ("linear", "dora"):
        lora_a, lora_b = adapter.shape(module, "lora_A"), adapter.shape(module, "lora_B")
        return (lora_b[0], lora_a[1])
    if kind == "embedding":
        lora_a, lora_b = adapter.shape(module, "lora_embedding_A"), adapter.shape(module, "lora_embedding_B")
        return (lora_a[1], lora_b[0])
    if kind == "rows":
        parts = adapter.modules[module]
        rows = adapter.shape(module, "base_weight")[0] if "base_weight" in parts else base[0]
        return (rows, adapter.shape(module, "token_rows")[1])
    if kind == "bias":
        return adapter.shape(module, "lora_bias")
    return adapter.shape(module, replaced_part(adapter, module, name))


def replaced_part(adapter: Adapter, module: str, name: str) -> str:
    """Return the part of the adapter that replaces this tensor of the module."""
    if WHOLE in adapter.modules[module]:
        return WHOLE
    return "bias" if name.endswith(".bias") else "weight"


def _head_to_add(
    adapter: Adapter, changes: Mapping[str, TensorChange], tensors: Mapping[str, TensorEntry]
) -> TensorChange | None:
    """Return the output head that a tied model needs once the two matrices differ, or None."""
    embedding, head = changes.get(f"{EMBEDDING}.weight"), changes.get(f"{HEAD}.weight")
    if head is not None:
        if head.kind == "rows" or (embedding is not None and embedding.kind == "rows"):
            raise AdapterRefusedError(HEAD, "token rows of a tied head", "Merge it with peft and check its logits.")
        return head
    if embedding is None or embedding.kind == "rows" or _stays_tied(adapter, embedding):
        return None
    base = tensors[embedding.source]
    if embedding.shape != base.shape:
        found = f"{embedding.shape[0]} rows of {EMBEDDING}, {base.shape[0]} of the head"
        raise AdapterRefusedError(HEAD, found, f"Save {HEAD} as well (modules_to_save); its new rows are in no file.")
    return TensorChange(f"{HEAD}.weight", "copy", HEAD, embedding.source, base.dtype, base.shape)


def _stays_tied(adapter: Adapter, embedding: TensorChange) -> bool:
    # A resized embedding is saved without being trained apart from the head; one of modules_to_save is trained apart.
    trained_apart = any(embedding.module.endswith(name) for name in adapter.config.modules_to_save or ())
    return embedding.kind == "replace" and (adapter.config.ensure_weight_tying or not trained_apart)


def _resized_vocabulary(
    changes: Mapping[str, TensorChange], tensors: Mapping[str, TensorEntry], tied: bool
) -> dict[str, Any]:
    rows = {name: tensors[name].shape[0] for name in (f"{EMBEDDING}.weight", f"{HEAD}.weight") if name in tensors}
    before = set(rows.values())
    rows |= {name: changes[name].shape[0] for name in (f"{EMBEDDING}.weight", f"{HEAD}.weight") if name in changes}
    if tied:
        rows.pop(f"{HEAD}.weight", None)
    if len(set(rows.values())) > 1:
        missing = min(rows, key=lambda name: rows[name])
        found = f"{rows[missing]} rows, the other matrix has {max(rows.values())}"
        raise AdapterRefusedError(missing, found, "Save both matrices (modules_to_save); these rows are in no file.")
    return {} if set(rows.values()) <= before else {"vocab_size": next(iter(rows.values()))}


def _base_notes(adapter: Adapter, base_config: Mapping[str, Any]) -> list[str]:
    trained_on, base = adapter.config.base_model_name_or_path or "", str(base_config.get("_name_or_path") or "")
    notes = []
    if is_quantized_name(trained_on):
        notes.append(
            f"The adapter was trained on {trained_on}, which is quantized, and is merged into 16-bit weights. "
            "It learned to correct the quantized weights' errors too, so answers may differ slightly from training."
        )
    if trained_on and base and _last_part(trained_on) != _last_part(base):
        notes.append(
            f"The adapter names {trained_on} as its base, the base's config names {base}: check that they are one."
        )
    return notes


def _last_part(name: str) -> str:
    return full_precision_name(name.rstrip("/").rpartition("/")[2]).lower()


def _edit_notes(edits: Mapping[str, Any]) -> list[str]:
    return [f"config.json: {name} = {json.dumps(value)}, as the adapter needs it." for name, value in edits.items()]
