"""Prepare a checkpoint according to a plan; each step leaves a file for the next one in the workspace."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from include.checkpoint.writing.disk import named_when_full
from include.config.model import ModelConfig
from include.errors import ModelImportError
from include.run.inputs import RunInputs, describe_inputs, fetch
from include.run.plan import ImportPlan
from include.steps.results import MergeResult, PreparedResult

if TYPE_CHECKING:
    from include.checkpoint.checks.validation import ValidationReport
    from include.checkpoint.files.reading import RangeReader
    from include.checkpoint.files.segments import Checkpoint
    from include.sources.patient_reader import PatientReader
    from include.sources.source import Source

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

BASE = "base.json"
MERGED = "merged.json"
PROOF = "merge-proof.json"
READ = "read-ranges.json"
LOADED = "loaded"
_DELIVERED = "this content is in S3 already"
_MADE_AGAIN = "%s is gone: cleared with the run, or this worker sees another workspace; making it again"


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


Step = Callable[Concatenate[ImportPlan, P], T]


def names_a_full_disk(step: Step[P, T]) -> Step[P, T]:
    """Wrap a step: on a full disk it raises an error that names the workspace and leaves no partial file."""

    @wraps(step)
    def run(plan: ImportPlan, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with named_when_full(plan.workspace):
            return step(plan, *args, **kwargs)

    return run


def patient_reader(config: ModelConfig, s3: Any) -> PatientReader:
    """Return a reader of folders and of S3, within the account's bandwidth."""
    from include.checkpoint.files.reading import UriReader
    from include.sources.patient_reader import PatientReader
    from include.sources.rate import RateLimit

    return PatientReader(UriReader(s3), limit=RateLimit(config.account.bytes_per_second))


def _reader(plan: ImportPlan, s3: Any) -> PatientReader:
    return patient_reader(plan.config, s3)


@names_a_full_disk
def prepare_base(plan: ImportPlan, s3: Any, sagemaker: Any) -> PreparedResult:
    """Prepare the base as a Hugging Face checkpoint that Bedrock's transformers reads; convert it if necessary."""
    source, reader = _planned_inputs(plan, s3, sagemaker).base, _reader(plan, s3)
    base = prepared_source(source, plan.config, Path(plan.workspace), s3)
    prepared = base.checkpoint if plan.config.adapter else _rounded(base.checkpoint, plan, "base", reader)
    changed = base.changed or prepared != base.checkpoint
    prepared = replace(prepared, notes=(*base.notes, *prepared.notes))
    prepared.save(plan.workspace_file(BASE))
    return PreparedResult(changed=changed, bytes=prepared.size, notes=prepared.notes)


class PreparedSource(NamedTuple):
    """A model as a Hugging Face checkpoint; ``changed`` says whether it was converted or normalised."""

    checkpoint: Checkpoint
    changed: bool
    notes: tuple[str, ...]


def prepared_source(source: Source, config: ModelConfig, workspace: Path, s3: Any) -> PreparedSource:
    """Return a source as a Hugging Face checkpoint that transformers 4.51.3 reads; what changes is in the workspace."""
    from include.checkpoint.files.folder import checkpoint_of_folder
    from include.checkpoint.layouts import CONVERTED, kind_of
    from include.checkpoint.normalising import normalise

    reader = patient_reader(config, s3)
    found = fetch(source, config, s3, as_folder=False)
    convert = kind_of(found.uri, reader) in CONVERTED
    checkpoint = _converted(source, config, workspace, s3) if convert else checkpoint_of_folder(found.uri, reader)
    normalised = normalise(checkpoint, workspace / "base", reader)
    return PreparedSource(normalised, convert or normalised != checkpoint, found.notes)


def _converted(source: Source, config: ModelConfig, workspace: Path, s3: Any) -> Checkpoint:
    from include.checkpoint.converting import convert
    from include.checkpoint.writing.progress import LogProgress

    folder = fetch(source, config, s3, as_folder=True).uri
    return convert(folder, workspace / "converted", progress=LogProgress("Converting", "tensors"))


def _rounded(checkpoint: Checkpoint, plan: ImportPlan, folder: str, reader: RangeReader) -> Checkpoint:
    if plan.config.dtype == "keep":
        return checkpoint
    from include.checkpoint.casting import cast  # imports torch
    from include.checkpoint.writing.progress import LogProgress

    overlay = plan.workspace_file(folder)
    return cast(checkpoint, overlay, plan.config.dtype, progress=LogProgress("Rounding"), reader=reader)


@names_a_full_disk
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
    ledger.save(plan.workspace_file(READ))
    logits = prove_logits(base, folder, prepared, overlay, reader=_reader(plan, s3))
    proof = {**result.proof, "logits": logits.record()}
    plan.workspace_file(PROOF).write_text(json.dumps(proof))
    prepared = replace(prepared, notes=(*prepared.notes, logits.summary(), *fetched.notes))
    prepared.save(plan.workspace_file(MERGED))
    summary = {name: value for name, value in proof.items() if name != "tensors"}
    return MergeResult(bytes=prepared.size, proof=summary, notes=prepared.notes)


def _prepared_base(plan: ImportPlan, s3: Any, sagemaker: Any) -> Checkpoint:
    """Return the result of ``prepare_base``, made again if the workspace was cleared in between."""
    from include.checkpoint.files.segments import Checkpoint

    if not plan.workspace_file(BASE).is_file():
        log.warning(_MADE_AGAIN, plan.workspace_file(BASE))
        prepare_base(plan, s3, sagemaker)
    return Checkpoint.load(plan.workspace_file(BASE))


def prepared_checkpoint(plan: ImportPlan, s3: Any, sagemaker: Any) -> Checkpoint:
    """Return the checkpoint to import, made again if the workspace was cleared in between."""
    from include.checkpoint.files.segments import Checkpoint

    if plan.config.adapter is None:
        return _prepared_base(plan, s3, sagemaker)
    if not plan.workspace_file(MERGED).is_file():
        log.warning(_MADE_AGAIN, plan.workspace_file(MERGED))
        merge(plan, s3, sagemaker)
    return Checkpoint.load(plan.workspace_file(MERGED))


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
