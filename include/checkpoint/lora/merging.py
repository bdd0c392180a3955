"""Merge a LoRA into its base: only changed tensors are written, everything else stays in the source."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from include.checkpoint.files.folder import INDEX, is_hf_weights
from include.checkpoint.files.json_files import format_json, read_json
from include.checkpoint.files.reading import LOCAL, RangeReader, verify_pins
from include.checkpoint.files.safetensors_header import Header, read_header
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, PlacedTensor, Segment, slice_segments
from include.checkpoint.files.tensors import StoredTensor
from include.checkpoint.lora.adapter import read_adapter
from include.checkpoint.lora.adapter_settings import has_plain_tensors, is_plain_lora
from include.checkpoint.lora.fitting import fit
from include.checkpoint.lora.merge_plan import MergePlan
from include.checkpoint.lora.merge_proof import Counts, prove_merge
from include.checkpoint.lora.peft_merge import merged_by_peft
from include.checkpoint.lora.tensor_changes import without_tied_copy
from include.checkpoint.lora.tensor_writer import TensorWriter, size_of
from include.checkpoint.lora.tokenizer_choice import with_tokenizer_of
from include.checkpoint.writing.layout import lay_out
from include.checkpoint.writing.overlay import Overlay, overlay, pin_of
from include.checkpoint.writing.progress import Progress, no_progress

OVERLAY = "merge.overlay"


@dataclass(frozen=True)
class MergeResult:
    """The merged model, and the proof that it is base + adapter: a ``MergeProof`` in its JSON form."""

    checkpoint: Checkpoint
    proof: dict[str, Any]


def merge(
    base: Checkpoint,
    adapter_dir: str | Path,
    overlay_dir: str | Path,
    *,
    progress: Progress = no_progress,
    reader: RangeReader = LOCAL,
    durable: bool = True,
) -> MergeResult:
    """Merge the adapter into the base: within one rounding of peft's ``merge_and_unload()``.

    Writes ``merge.overlay`` in ``overlay_dir``, synced if ``durable``. Memory stays at a few blocks of a tensor and one
    pair of LoRA matrices.
    Raises AdapterConfigError, AdapterWeightsMissingError, AdapterRefusedError, AdapterBaseMismatchError,
    AdapterEmptyError, the errors of ``lora.errors``, QuantizedBaseError, MemoryShortError, NonFiniteError,
    MergeUnprovenError, SourceChangedError, DiskFullError, or the first defect of a weights file.
    """
    adapter = read_adapter(adapter_dir, reader)
    used = len(adapter.names)
    fitted = fit(adapter, base, reader)
    tensors, adapter = fitted.tensors, without_tied_copy(fitted.adapter)
    by_peft = not is_plain_lora(adapter)
    if has_plain_tensors(adapter):
        plan = fitted.plan(adapter)
    if by_peft:
        adapter = merged_by_peft(base, adapter, Path(overlay_dir), reader)
        plan = fitted.plan(adapter)
    path = Path(overlay_dir) / OVERLAY
    size = sum(size_of(change) for change in plan.changes.values() if change.kind != "copy")
    with overlay(path, size, durable=durable) as out:
        writer = TensorWriter(adapter, tensors, out, reader, progress)
        writer.write(list(plan.changes.values()))
        changed_bytes = out.size
        files = _MergedFiles(tensors, plan, writer.written, reader)
        merged = replace(base, files=tuple(files.file(file, out) for file in base.files))
        merged = with_tokenizer_of(Path(adapter_dir), merged, reader)
        counts = Counts(tensors=len(tensors), bytes=base.size, changed_bytes=changed_bytes, adapter_tensors=used)
        proof = prove_merge(writer.proofs, counts, out.sha256(), by_peft=by_peft)
        verify_pins(base, reader)
    notes = (*merged.notes, *adapter.notes, *plan.notes, proof.summary())
    return MergeResult(Checkpoint(files=merged.files, pins=(*merged.pins, pin_of(path)), notes=notes), asdict(proof))


class _MergedFiles:
    """The base's files with the changed tensors substituted."""

    def __init__(
        self,
        tensors: dict[str, StoredTensor],
        plan: MergePlan,
        written: dict[str, tuple[Segment, ...]],
        reader: RangeReader,
    ) -> None:
        self._tensors, self._plan, self._written, self._reader = tensors, plan, written, reader

    def file(self, file: CheckpointFile, out: Overlay) -> CheckpointFile:
        """Return a file of the base with the changed tensors substituted."""
        if is_hf_weights(file.name):
            return self._weights_file(file, read_header(file, self._reader), out)
        if file.name == "config.json" and self._plan.config_edits:
            return out.file(file.name, format_json(read_json(file, self._reader) | self._plan.config_edits))
        if file.name == INDEX and self._plan.relaid:
            return out.file(file.name, format_json(self._index(read_json(file, self._reader))))
        return file

    def _weights_file(self, file: CheckpointFile, header: Header, out: Overlay) -> CheckpointFile:
        names = [entry.name for entry in header.tensors]
        added = [change for change in self._plan.relaid if change.name not in names and change.source in names]
        if not added and not any(change.name in names for change in self._plan.relaid):
            first = slice_segments(file, 0, header.data_start)
            return CheckpointFile(name=file.name, segments=(*first, *(s for name in names for s in self._at(name))))
        placed = []
        for name in names:
            change = self._plan.changes.get(name)
            entry = self._tensors[name].entry
            placed.append(PlacedTensor(name, entry.dtype, change.shape if change else entry.shape, self._at(name)))
        placed += [PlacedTensor(change.name, change.dtype, change.shape, self._at(change.name)) for change in added]
        return lay_out(file.name, placed, out)

    def _at(self, name: str) -> tuple[Segment, ...]:
        return self._written[name] if name in self._written else self._tensors[name].segments()

    def _index(self, index: dict[str, object]) -> dict[str, object]:
        weight_map = {name: stored.file.name for name, stored in self._tensors.items()}
        weight_map |= {change.name: self._tensors[change.source].file.name for change in self._plan.relaid}
        sizes = {name: stored.entry.size for name, stored in self._tensors.items()}
        sizes |= {change.name: size_of(change) for change in self._plan.changes.values()}
        total = {"total_size": sum(sizes.values())}
        return {**index, "metadata": total, "weight_map": dict(sorted(weight_map.items()))}
