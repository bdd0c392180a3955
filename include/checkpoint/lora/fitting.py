"""Fit an adapter to its base model: what a merge checks by names, headers and configurations, before any weight."""

from __future__ import annotations

from typing import Any, NamedTuple

from include.checkpoint.files.json_files import read_json_if_any
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Checkpoint
from include.checkpoint.files.tensors import StoredTensor, stored_tensors
from include.checkpoint.lora.adapter import Adapter
from include.checkpoint.lora.adapter_checks import HEAD, refuse_missing_parameters
from include.checkpoint.lora.adapter_settings import refuse_unmergeable
from include.checkpoint.lora.joined_experts import split_joined_experts
from include.checkpoint.lora.merge_plan import MergePlan, plan_merge
from include.checkpoint.lora.name_patterns import refuse_patterns


class Fitted(NamedTuple):
    """An adapter, in terms of the base's own modules, with the base's tensors by name and its config.json."""

    adapter: Adapter
    tensors: dict[str, StoredTensor]
    config: dict[str, Any]

    def plan(self, adapter: Adapter) -> MergePlan:
        """Plan the merge of this adapter, or of what was made of it; raises what ``plan_merge`` raises."""
        return plan_merge(adapter, {name: stored.entry for name, stored in self.tensors.items()}, self.config)


def fit(adapter: Adapter, base: Checkpoint, reader: RangeReader) -> Fitted:
    """Return the adapter fitted to the base; nothing of an adapter is matched with names before this.

    Raises AdapterRefusedError, QuantizedBaseError, AdapterPatternError, AdapterTargetMissingError,
    AdapterTensorShapeError, or the first defect of a weights file.
    """
    config = read_json_if_any(base, "config.json", reader)
    refuse_unmergeable(adapter, config)
    tensors = stored_tensors(base, reader)
    entries = {name: stored.entry for name, stored in tensors.items()}
    adapter = split_joined_experts(adapter, entries)
    refuse_patterns(adapter.config, {*adapter.modules, *(name.rpartition(".")[0] for name in entries), HEAD})
    refuse_missing_parameters(adapter, entries)
    return Fitted(adapter, tensors, config)
