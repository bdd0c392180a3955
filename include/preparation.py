"""Prepare and deliver a checkpoint as a plan says; each step leaves a file for the next in the workspace."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from include.errors import ModelImportError
from include.inputs import RunInputs, describe_inputs, fetch
from include.plan import ImportPlan

if TYPE_CHECKING:
    from include.checkpoint.reading import RangeReader
    from include.checkpoint.segments import Checkpoint
    from include.sources.source import Source

log = logging.getLogger(__name__)

BASE = "base.json"
MERGED = "merged.json"
PROOF = "merge-proof.json"
READ = "read-ranges.json"
_DELIVERED = "this content is in S3 already"
_MADE_AGAIN = "%s is gone: cleared with the run, or this worker sees another workspace; making it again"


class InputsChangedError(ModelImportError):
    """Base or adapter is not what preflight planned with."""

    def __init__(self, model_name: str, expected: str, found: str) -> None:
        super().__init__(
            "The inputs changed since the run began",
            model_name,
            expected,
            found,
            "Trigger a new run; nothing was sent.",
        )


class NoAdapterError(ModelImportError):
    """A merge was asked for without an adapter."""

    def __init__(self, model_name: str) -> None:
        super().__init__("There is no adapter to merge", model_name, remedy="Name one, or skip the merge.")


def _planned_inputs(plan: ImportPlan, s3: Any, sagemaker: Any) -> RunInputs:
    inputs = describe_inputs(plan.config, s3, sagemaker)
    if inputs.fingerprint != plan.content:
        raise InputsChangedError(plan.config.model_name, plan.content, inputs.fingerprint)
    return inputs


def prepare_base(plan: ImportPlan, s3: Any, sagemaker: Any) -> dict[str, Any]:
    """Leave the base as a Hugging Face checkpoint that Bedrock's transformers reads, converted if need be.

    Returns a summary; ``changed`` tells whether there was anything to convert or to normalise.
    """
    from include.checkpoint.folder import checkpoint_of_folder
    from include.checkpoint.inspection import inspect
    from include.checkpoint.normalising import normalise
    from include.checkpoint.reading import UriReader

    source, reader = _planned_inputs(plan, s3, sagemaker).base, UriReader(s3)
    found = fetch(source, plan.config, s3, as_folder=False)
    raw = inspect(found.uri, reader).kind == "raw_mistral"
    checkpoint = _converted(plan, source, s3) if raw else checkpoint_of_folder(found.uri, reader)
    rounded = checkpoint if plan.config.adapter else _rounded(checkpoint, plan, "base", reader)
    prepared = normalise(rounded, plan.workspace_file("base"), reader)
    prepared.save(plan.workspace_file(BASE))
    notes = [*found.notes, *prepared.notes]
    return {"changed": raw or prepared != checkpoint, "bytes": prepared.size, "notes": notes}


def _converted(plan: ImportPlan, source: Source, s3: Any) -> Checkpoint:
    from include.checkpoint.conversion import convert
    from include.checkpoint.progress import LogProgress

    folder = fetch(source, plan.config, s3, as_folder=True).uri
    return convert(folder, plan.workspace_file("converted"), progress=LogProgress("Converting", "tensors"))


def _rounded(checkpoint: Checkpoint, plan: ImportPlan, folder: str, reader: RangeReader) -> Checkpoint:
    from include.checkpoint.casting import cast
    from include.checkpoint.progress import LogProgress

    if plan.config.dtype == "keep":
        return checkpoint
    overlay = plan.workspace_file(folder)
    return cast(checkpoint, overlay, plan.config.dtype, progress=LogProgress("Rounding"), reader=reader)


def merge(plan: ImportPlan, s3: Any, sagemaker: Any) -> dict[str, Any]:
    """Merge the adapter into the base, writing the changed tensors only; return a summary."""
    from include.checkpoint.merging import merge as merge_checkpoint
    from include.checkpoint.normalising import normalise
    from include.checkpoint.progress import LogProgress
    from include.checkpoint.reading import UriReader
    from include.sources.read_ledger import ReadLedger

    adapter = _planned_inputs(plan, s3, sagemaker).adapter
    if adapter is None:
        raise NoAdapterError(plan.config.model_name)
    base, ledger = _prepared_base(plan, s3, sagemaker), ReadLedger(UriReader(s3))
    folder, overlay = fetch(adapter, plan.config, s3, as_folder=True).uri, plan.workspace_file("merged")
    result = merge_checkpoint(base, folder, overlay, progress=LogProgress("Merging", "tensors"), reader=ledger)
    prepared = normalise(_rounded(result.checkpoint, plan, "merged", ledger), overlay, ledger)
    ledger.save(plan.workspace_file(READ))
    plan.workspace_file(PROOF).write_text(json.dumps(result.proof))
    prepared.save(plan.workspace_file(MERGED))
    summary = {name: value for name, value in result.proof.items() if name != "tensors"}
    return {"bytes": prepared.size, "proof": summary, "notes": list(prepared.notes)}


def _prepared_base(plan: ImportPlan, s3: Any, sagemaker: Any) -> Checkpoint:
    """Return what ``prepare_base`` left, made again when the workspace was cleared in between."""
    from include.checkpoint.segments import Checkpoint

    if not plan.workspace_file(BASE).is_file():
        log.warning(_MADE_AGAIN, plan.workspace_file(BASE))
        prepare_base(plan, s3, sagemaker)
    return Checkpoint.load(plan.workspace_file(BASE))


def _prepared_checkpoint(plan: ImportPlan, s3: Any, sagemaker: Any) -> Checkpoint:
    from include.checkpoint.segments import Checkpoint

    if plan.config.adapter is None:
        return _prepared_base(plan, s3, sagemaker)
    if not plan.workspace_file(MERGED).is_file():
        log.warning(_MADE_AGAIN, plan.workspace_file(MERGED))
        merge(plan, s3, sagemaker)
    return Checkpoint.load(plan.workspace_file(MERGED))


def validate(plan: ImportPlan, s3: Any, sagemaker: Any) -> dict[str, Any]:
    """Check the prepared checkpoint against what Bedrock reads; return a summary, raise on any error."""
    from include.checkpoint.reading import UriReader
    from include.checkpoint.validation import raise_on_defects
    from include.checkpoint.validation import validate as validate_checkpoint

    report = validate_checkpoint(_prepared_checkpoint(plan, s3, sagemaker), UriReader(s3))
    for warning in report.warnings:
        log.warning("%s", warning.line())
    raise_on_defects(report)
    log.info("%s", report.summary)
    return report.model_dump(mode="json")


def deliver(plan: ImportPlan, s3: Any, sagemaker: Any) -> dict[str, Any]:
    """Bring the checkpoint to its prefix, or find it there; return what was sent."""
    from include.checkpoint.progress import LogProgress
    from include.delivery.earlier import earlier_deliveries
    from include.delivery.upload import upload
    from include.sources.read_ledger import load_ranges

    if _is_delivered(plan, s3):
        log.info("%s holds this content already: nothing is sent", plan.s3_uri)
        return {"s3_uri": plan.s3_uri, "bytes_sent": 0}
    model_prefix = f"{plan.manifest_key.rsplit('/', 2)[0]}/"
    proof, ranges = plan.workspace_file(PROOF), plan.workspace_file(READ)
    report = upload(
        s3,
        _prepared_checkpoint(plan, s3, sagemaker),
        plan.bucket,
        plan.prefix,
        manifest_key=plan.manifest_key,
        fingerprint=plan.fingerprint,
        proof=json.loads(proof.read_text()) if proof.exists() else None,
        progress=LogProgress("Uploading"),
        earlier=earlier_deliveries(s3, plan.bucket, model_prefix),
        read_ranges=load_ranges(ranges) if ranges.exists() else (),
        kms_key_id=plan.config.account.kms_key_id,
    )
    return asdict(report)


def clear(plan: ImportPlan) -> None:
    """Remove the run's files from the workspace."""
    shutil.rmtree(plan.workspace, ignore_errors=True)


def _is_delivered(plan: ImportPlan, s3: Any) -> bool:
    """Whether the content is in S3, since before the run or through it."""
    from include.delivery.manifest import find_delivered

    return plan.delivered or find_delivered(s3, plan.bucket, plan.manifest_key) is not None


def why_no_preparation(plan: ImportPlan, s3: Any) -> str | None:
    """Return why nothing need be prepared, or None."""
    return _DELIVERED if _is_delivered(plan, s3) else None


def why_no_merge(plan: ImportPlan, s3: Any) -> str | None:
    """Return why there is nothing to merge, or None."""
    if plan.config.adapter is None:
        return "no adapter is given: the base model is imported as it is"
    return why_no_preparation(plan, s3)
