"""Prepare a checkpoint according to a plan; each step leaves a file for the next one in the workspace."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from include.config.model import ModelConfig
from include.errors import ModelImportError
from include.run.inputs import RunInputs, describe_inputs, fetch
from include.run.plan import ImportPlan
from include.steps.kept_checkpoints import in_workspace, kept_checkpoint, readable_everywhere
from include.steps.results import MergeResult, PreparedResult

if TYPE_CHECKING:
    from include.checkpoint.checks.validation import ValidationReport
    from include.checkpoint.files.reading import RangeReader
    from include.checkpoint.files.segments import Checkpoint, Pin
    from include.sources.patient_reader import PatientReader
    from include.sources.read_ledger import ReadLedger
    from include.sources.source import Source

log = logging.getLogger(__name__)

BASE = "base.json"
MERGED = "merged.json"
PROOF = "merge-proof.json"
READ = "read-ranges.json"
LOADED = "loaded"
_DELIVERED = "this content is in S3 already"


class InputsChangedError(ModelImportError):
    """Base or adapter has changed since preflight."""

    def __init__(self, model_name: str, expected: str, found: str) -> None:
        super().__init__(
            "The inputs changed since the run began",
            model_name,
            expected,
            found,
            "Trigger a new run; nothing was sent.",
        )


class NoAdapterError(ModelImportError):
    """A merge was requested without an adapter."""

    def __init__(self, model_name: str) -> None:
        super().__init__("There is no adapter to merge", model_name, remedy="Name one, or skip the merge.")


def _planned_inputs(plan: ImportPlan, s3: Any, sagemaker: Any) -> RunInputs:
    inputs = describe_inputs(plan.config, s3, sagemaker)
    if inputs.fingerprint != plan.content:
        raise InputsChangedError(plan.config.model_name, plan.content, inputs.fingerprint)
    return inputs


def patient_reader(config: ModelConfig, s3: Any) -> PatientReader:
    """Return a reader of folders and of S3, within the account's bandwidth."""
    from include.checkpoint.files.reading import UriReader
    from include.sources.patient_reader import PatientReader
    from include.sources.rate import RateLimit

    return PatientReader(UriReader(s3), limit=RateLimit(config.account.bytes_per_second))


def _reader(plan: ImportPlan, s3: Any) -> PatientReader:
    return patient_reader(plan.config, s3)


@in_workspace
def prepare_base(plan: ImportPlan, s3: Any, sagemaker: Any) -> PreparedResult:
    """Prepare the base as a Hugging Face checkpoint that Bedrock's transformers reads; convert it if necessary."""
    source, reader = _planned_inputs(plan, s3, sagemaker).base, _reader(plan, s3)
    base = prepared_source(source, plan.config, plan.files.folder, s3)
    prepared = base.checkpoint if plan.config.adapter else _rounded(base.checkpoint, plan, "base", reader)
    changed = base.changed or prepared != base.checkpoint
    prepared = replace(prepared, notes=(*base.notes, *prepared.notes))
    kept = readable_everywhere(plan, BASE, prepared, s3, reader, base.objects)
    plan.files.write(BASE, kept.to_json(), s3)
    return PreparedResult(changed=changed, bytes=prepared.size, notes=prepared.notes)


class PreparedSource(NamedTuple):
    """A model as a Hugging Face checkpoint; ``changed`` says whether it was converted or normalised.

    ``objects`` are the objects in S3 that hold the same bytes as local files of the checkpoint, by path.
    """

    checkpoint: Checkpoint
    changed: bool
    notes: tuple[str, ...]
    objects: Mapping[str, Pin]


def prepared_source(source: Source, config: ModelConfig, folder: Path, s3: Any) -> PreparedSource:
    """Return a source as a Hugging Face checkpoint that transformers 4.51.3 reads; what changes is in the folder."""
    from include.checkpoint.files.folder import checkpoint_of_folder
    from include.checkpoint.layouts import CONVERTED, kind_of
    from include.checkpoint.normalising import normalise
    from include.sources.source import fetched_objects

    reader = patient_reader(config, s3)
    found = fetch(source, config, s3, as_folder=False)
    convert = kind_of(found.uri, reader) in CONVERTED
    local = fetch(source, config, s3, as_folder=True).uri if convert else found.uri
    checkpoint = _converted(local, folder) if convert else checkpoint_of_folder(local, reader)
    normalised = normalise(checkpoint, folder / "base", reader)
    changed = convert or normalised != checkpoint
    return PreparedSource(normalised, changed, found.notes, fetched_objects(source, local))


def _converted(source: str, folder: Path) -> Checkpoint:
    from include.checkpoint.converting import convert
    from include.checkpoint.writing.progress import LogProgress

    return convert(source, folder / "converted", progress=LogProgress("Converting", "tensors"))


def _rounded(checkpoint: Checkpoint, plan: ImportPlan, folder: str, reader: RangeReader) -> Checkpoint:
    if plan.config.dtype == "keep":
        return checkpoint
    from include.checkpoint.casting import cast  # imports torch
    from include.checkpoint.writing.progress import LogProgress

    overlay = plan.workspace_file(folder)
    return cast(checkpoint, overlay, plan.config.dtype, progress=LogProgress("Rounding"), reader=reader)


@in_workspace
def merge(plan: ImportPlan, s3: Any, sagemaker: Any) -> MergeResult:
    """Merge the adapter into the base, writing the changed tensors only; compare logits if the base is small."""
    from include.checkpoint.converting import peft_adapter
    from include.checkpoint.lora.logits_proof import prove_logits
    from include.checkpoint.lora.merging import merge as merge_checkpoint
    from include.checkpoint.normalising import normalise
    from include.checkpoint.writing.progress import LogProgress
    from include.sources.read_ahead import read_ahead
    from include.sources.read_ledger import ReadLedger

    adapter = _planned_inputs(plan, s3, sagemaker).adapter
    if adapter is None:
        raise NoAdapterError(plan.config.model_name)
    base = _prepared_base(plan, s3, sagemaker)
    fetched, overlay = fetch(adapter, plan.config, s3, as_folder=True), plan.workspace_file("merged")
    folder = peft_adapter(fetched.uri, overlay)
    with read_ahead(base, _reader(plan, s3)) as ahead:
        ledger = ReadLedger(ahead)
        result = merge_checkpoint(base, folder, overlay, progress=LogProgress("Merging", "tensors"), reader=ledger)
        prepared = normalise(_rounded(result.checkpoint, plan, "merged", ledger), overlay, ledger)
    logits = prove_logits(base, folder, prepared, overlay, reader=_reader(plan, s3))
    proof = {**result.proof, "logits": logits.record()}
    prepared = replace(prepared, notes=(*prepared.notes, logits.summary(), *fetched.notes))
    _keep_merged(plan, prepared, proof, ReadLedger(_reader(plan, s3), ledger.ranges()), s3)
    summary = {name: value for name, value in proof.items() if name != "tensors"}
    return MergeResult(bytes=prepared.size, proof=summary, notes=prepared.notes)


def _keep_merged(plan: ImportPlan, merged: Checkpoint, proof: Mapping[str, Any], ledger: ReadLedger, s3: Any) -> None:
    """Leave the merged checkpoint, its proof and what was read for it in the workspace; the checkpoint last."""
    kept = readable_everywhere(plan, MERGED, merged, s3, ledger)
    plan.files.write(READ, ledger.to_json(), s3)
    plan.files.write(PROOF, json.dumps(proof).encode(), s3)
    plan.files.write(MERGED, kept.to_json(), s3)


def _prepared_base(plan: ImportPlan, s3: Any, sagemaker: Any) -> Checkpoint:
    """Return the result of ``prepare_base``, made again if the workspace was cleared in between."""
    return kept_checkpoint(plan, BASE, s3, lambda: prepare_base(plan, s3, sagemaker))


def prepared_checkpoint(plan: ImportPlan, s3: Any, sagemaker: Any) -> Checkpoint:
    """Return the checkpoint to import, made again if the workspace was cleared in between."""
    if plan.config.adapter is None:
        return _prepared_base(plan, s3, sagemaker)
    return kept_checkpoint(plan, MERGED, s3, lambda: merge(plan, s3, sagemaker))


@in_workspace
def validate(plan: ImportPlan, s3: Any, sagemaker: Any) -> ValidationReport:
    """Check the prepared checkpoint against what Bedrock reads, load it where it fits, and raise on any error."""
    from include.checkpoint.checks.loadable_folder import loadable_folder
    from include.checkpoint.checks.validation import raise_on_defects
    from include.checkpoint.checks.validation import validate as validate_checkpoint

    checkpoint, reader = prepared_checkpoint(plan, s3, sagemaker), _reader(plan, s3)
    folder = loadable_folder(checkpoint, plan.workspace_file(LOADED), reader)
    report = validate_checkpoint(checkpoint, reader, loaded_from=folder)
    for warning in report.warnings:
        log.warning("%s", warning.line())
    raise_on_defects(report)
    log.info("%s", report.summary)
    return report


def is_delivered(plan: ImportPlan, s3: Any) -> bool:
    """Return whether the content is in S3 already."""
    from include.delivery.manifest import find_delivered

    return plan.delivered or find_delivered(s3, plan.bucket, plan.manifest_key) is not None


def why_no_preparation(plan: ImportPlan, s3: Any) -> str | None:
    """Return why the preparation can be skipped, or None."""
    return _DELIVERED if is_delivered(plan, s3) else None


def why_no_merge(plan: ImportPlan, s3: Any) -> str | None:
    """Return why the merge can be skipped, or None."""
    if plan.config.adapter is None:
        return "no adapter is given: the base model is imported as it is"
    return why_no_preparation(plan, s3)
