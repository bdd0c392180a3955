"""Merge other kinds of adapters with peft: peft merges the whole model in memory, and the changes are kept."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.checkpoint.errors import AdapterRefusedError
from include.checkpoint.files.arrays import dtype_of
from include.checkpoint.files.memory import refuse_short_memory
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.lora.adapter import CONFIG, WEIGHTS, Adapter, AdapterConfig
from include.checkpoint.lora.adapter_checks import WHOLE
from include.checkpoint.lora.adapter_settings import KNOWN_SETTINGS, named_settings
from include.checkpoint.lora.errors import AdapterNotPlacedError, AdapterSettingUnknownError, first
from include.checkpoint.writing.links import link_or_write

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
# The model, peft's copies of the layers it merges, and Python with torch.
MEMORY_FACTOR = 2
MEMORY_BASE = 10**9


def merged_by_peft(base: Checkpoint, adapter: Adapter, work_dir: Path, reader: RangeReader) -> Adapter:
    """Return the tensors that peft's ``merge_and_unload()`` changes, as whole replacements.

    Raises AdapterSettingUnknownError and MemoryShortError before anything is loaded, AdapterNotPlacedError when peft
    did not take all of it, AdapterRefusedError when peft cannot merge it or would merge it into a matrix that
    embedding and head share.
    """
    _refuse_unknown_settings(adapter)
    refuse_short_memory("merging with peft", MEMORY_FACTOR * base.size + MEMORY_BASE)
    log.warning("%s is not covered by the streaming merge: peft merges it in memory", adapter.config.peft_type)
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="peft-") as folder:
        model_dir = Path(folder) / "base"
        link_or_write(base, model_dir, reader)
        adapter_dir = save_for_peft(adapter, Path(folder) / "adapter")
        with offline():
            changed = _changed_tensors(model_dir, adapter_dir)
    note = f"The adapter is of a kind that peft itself merged: {adapter.config.peft_type}."
    return Adapter(
        config=AdapterConfig(adapter.config.peft_type, adapter.config.base_model_name_or_path),
        raw_config=adapter.raw_config,
        weights=_State(changed),
        modules={name: {WHOLE: name} for name in changed},
        notes=(*adapter.notes, note),
    )


def _refuse_unknown_settings(adapter: Adapter) -> None:
    """Raise AdapterSettingUnknownError for what a newer peft wrote: this one leaves it out with a warning."""
    from peft import PeftType
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    kind = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(adapter.config.peft_type)]
    known = KNOWN_SETTINGS | {field.name for field in fields(kind)}
    unknown = {name: value for name, value in adapter.raw_config.items() if value and name not in known}
    if unknown:
        raise AdapterSettingUnknownError(CONFIG, named_settings(unknown))


@contextmanager
def offline() -> Iterator[None]:
    """Keep transformers and peft from asking the Hugging Face Hub: its library reads HF_HUB_OFFLINE only once."""
    from huggingface_hub import constants
    from huggingface_hub.utils._http import reset_sessions

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    reset_sessions()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        reset_sessions()


def save_for_peft(adapter: Adapter, folder: Path) -> Path:
    """Write the adapter as it was read: its tensors under the names that peft saves, in safetensors."""
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps(adapter.raw_config))
    # safetensors takes no views and no tensors that share memory, as those of a pickle may.
    tensors = {name: adapter.weights.tensor(stored).contiguous().clone() for name, stored in adapter.names.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def _changed_tensors(model_dir: Path, adapter_dir: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import safe_open

    model = model_class(model_dir).from_pretrained(
        model_dir, torch_dtype="auto", local_files_only=True, trust_remote_code=False
    )
    merged = _merge(model, str(adapter_dir))
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


def model_class(model_dir: Path) -> Any:
    """Return the class that config.json names; a causal one if it names none of transformers'."""
    import transformers

    architectures = json.loads((model_dir / "config.json").read_bytes()).get("architectures") or [""]
    named = getattr(transformers, str(architectures[0]), None)
    is_model = isinstance(named, type) and issubclass(named, transformers.PreTrainedModel)
    return named if is_model else transformers.AutoModelForCausalLM


def _merge(model: Any, adapter_dir: str) -> Any:
    peft_model = with_adapter(model, adapter_dir)
    try:
        return peft_model.merge_and_unload()
    except Exception as error:  # for adapters that have no merged form, too
        raise _refused_by_peft(error) from error


def with_adapter(model: Any, adapter_dir: str) -> Any:
    """Return peft's model with the adapter; raises AdapterNotPlacedError unless peft took all of it."""
    from peft import PeftModel

    try:
        peft_model: Any = PeftModel.from_pretrained(model, adapter_dir)
        # from_pretrained only warns of what it did not place. Loading into the places it made once more says it.
        result = peft_model.load_adapter(adapter_dir, peft_model.active_adapter)
    except Exception as error:  # peft raises its own kinds for adapters it cannot load
        raise _refused_by_peft(error) from error
    if result.unexpected_keys:
        found = f"{len(result.unexpected_keys)} tensors left over"
        raise AdapterNotPlacedError(first(result.unexpected_keys), found)
    if empty := _left_empty(peft_model, result.missing_keys):
        raise AdapterNotPlacedError(first(empty), f"{len(empty)} places left empty")
    return peft_model


def _left_empty(peft_model: Any, missing: list[str]) -> list[str]:
    """Return the missing names without those of a parameter that is shared, and was loaded under another name."""
    parameters = dict(peft_model.named_parameters(remove_duplicate=False))
    loaded = {id(parameter) for name, parameter in parameters.items() if name not in missing}
    return [name for name in missing if id(parameters.get(name)) not in loaded]


def _refused_by_peft(error: Exception) -> AdapterRefusedError:
    found = f"peft refused it with {type(error).__name__}: {error}"
    return AdapterRefusedError("peft's merge", found, "Merge it where it was trained.")


def _refuse_shared_matrix(merged: Any, changed: dict[str, torch.Tensor]) -> None:
    embedding, head = merged.get_input_embeddings(), merged.get_output_embeddings()
    names = [name for name in changed if name.endswith(("embed_tokens.weight", "wte.weight", "shared.weight"))]
    if names and merged.config.tie_word_embeddings and head is not None and head.weight is embedding.weight:
        found = "a matrix that embedding and head share"
        raise AdapterRefusedError(names[0], found, "Train a model whose tie_word_embeddings is false.")


class _State:
    """Tensors that are already in memory."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self._tensors = tensors

    def names(self) -> tuple[str, ...]:
        return tuple(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def dtype(self, name: str) -> str:
        return dtype_of(self._tensors[name])

    def tensor(self, name: str) -> torch.Tensor:
        return self._tensors[name].detach()
