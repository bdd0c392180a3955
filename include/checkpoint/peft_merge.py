"""Adapters whose merged form is peft's own business: peft merges the whole model in memory, we keep what changed."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.checkpoint.adapter import Adapter
from include.checkpoint.arrays import Array
from include.checkpoint.errors import AdapterRefusedError, MemoryShortError
from include.checkpoint.materialize import materialize
from include.checkpoint.reading import RangeReader
from include.checkpoint.segments import Checkpoint

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
# The model, peft's copies of the layers it merges, and Python with torch.
MEMORY_FACTOR = 2
MEMORY_BASE = 10**9


def merged_by_peft(
    base: Checkpoint, adapter: Adapter, adapter_dir: Path, work_dir: Path, reader: RangeReader
) -> Adapter:
    """The adapter as whole replacements of the tensors that peft's ``merge_and_unload()`` changes.

    Raises MemoryShortError before anything is loaded, AdapterRefusedError when peft cannot merge it or would merge it
    into a matrix that embedding and head share.
    """
    _check_memory(base.size)
    log.warning("%s is not covered by the streaming merge: peft merges it in memory", adapter.config.peft_type)
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="peft-") as folder:
        model_dir = Path(folder) / "base"
        materialize(base, model_dir, reader=reader)
        changed = _changed_tensors(model_dir, adapter_dir)
    modules: dict[str, dict[str, str]] = {}
    for name in changed:
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = name
    config = replace(adapter.config, modules_to_save=None)
    return replace(adapter, config=config, weights=_State(changed), modules=modules, unknown=())


def _check_memory(model_bytes: int) -> None:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    wanted, free = MEMORY_FACTOR * model_bytes + MEMORY_BASE, psutil.virtual_memory().available
    if free < wanted:
        raise MemoryShortError("merging with peft", wanted, free)


def _changed_tensors(model_dir: Path, adapter_dir: Path) -> dict[str, torch.Tensor]:
    import torch
    from peft import PeftModel
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_dir, torch_dtype="auto", local_files_only=True)
    try:
        merged: Any = PeftModel.from_pretrained(model, str(adapter_dir)).merge_and_unload()
    except Exception as error:  # peft raises its own kinds for adapters it cannot load or merge
        found = f"{type(error).__name__}: {error}"
        raise AdapterRefusedError(str(adapter_dir), found, "Merge it where it was trained.") from error
    state = merged.state_dict()
    changed = {}
    for path in sorted(model_dir.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                if name not in state:
                    raise AdapterRefusedError(name, "a model of other tensors", "Merge it where it was trained.")
                if not torch.equal(file.get_tensor(name), state[name]):
                    changed[name] = state[name]
    _refuse_shared_matrix(merged, changed)
    return changed


def _refuse_shared_matrix(merged: Any, changed: dict[str, torch.Tensor]) -> None:
    embedding, head = merged.get_input_embeddings(), merged.get_output_embeddings()
    names = [name for name in changed if name.endswith(("embed_tokens.weight", "wte.weight", "shared.weight"))]
    if names and merged.config.tie_word_embeddings and head is not None and head.weight is embedding.weight:
        found = "a matrix that embedding and head share"
        raise AdapterRefusedError(names[0], found, "Train a model whose tie_word_embeddings is false.")


class _State:
    """Tensors that are in memory already."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self._tensors = tensors

    def names(self) -> tuple[str, ...]:
        return tuple(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def tensor(self, name: str) -> Array:
        return Array.from_torch(self._tensors[name])
