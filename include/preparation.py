"""Prepare and deliver a checkpoint as a plan says; each step leaves a file for the next in the workspace."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict
from typing import Any

from include.plan import ImportPlan, project_path

log = logging.getLogger(__name__)

CONVERTED = "converted.json"
MERGED = "merged.json"
PROOF = "merge-proof.json"


def convert(plan: ImportPlan) -> dict[str, Any]:
    """Convert the raw Mistral base to a Hugging Face checkpoint; return a summary."""
    from include.checkpoint.conversion import convert as convert_checkpoint
    from include.checkpoint.progress import LogProgress

    overlay = plan.workspace_file("converted")
    checkpoint = convert_checkpoint(plan.base_folder, overlay, progress=LogProgress("Converting"))
    checkpoint.save(plan.workspace_file(CONVERTED))
    return {"files": len(checkpoint.files), "bytes": checkpoint.size, "notes": list(checkpoint.notes)}


def _base_checkpoint(plan: ImportPlan) -> Any:
    from include.checkpoint.folder import checkpoint_of_folder
    from include.checkpoint.segments import Checkpoint

    if plan.source_kind == "raw_mistral":
        return Checkpoint.load(plan.existing_workspace_file(CONVERTED))
    return checkpoint_of_folder(plan.base_folder)


def _prepared_checkpoint(plan: ImportPlan) -> Any:
    from include.checkpoint.segments import Checkpoint

    if plan.config.adapter:
        return Checkpoint.load(plan.existing_workspace_file(MERGED))
    return _base_checkpoint(plan)


def merge(plan: ImportPlan) -> dict[str, Any]:
    """Merge the adapter into the base, writing the changed tensors only; return a summary."""
    from include.checkpoint.merging import merge as merge_checkpoint
    from include.checkpoint.progress import LogProgress

    overlay, adapter = plan.workspace_file("merged"), project_path(str(plan.config.adapter))
    result = merge_checkpoint(_base_checkpoint(plan), adapter, overlay, progress=LogProgress("Merging"))
    log.info("%s", result.checkpoint.notes[-1])
    plan.workspace_file(PROOF).write_text(json.dumps(result.proof))
    result.checkpoint.save(plan.workspace_file(MERGED))
    summary = {name: value for name, value in result.proof.items() if name != "tensors"}
    return {"files": len(result.checkpoint.files), "bytes": result.checkpoint.size, "proof": summary}


def validate(plan: ImportPlan) -> dict[str, Any]:
    """Check the prepared checkpoint against what Bedrock reads; return a summary, raise on any error."""
    from include.checkpoint.validation import raise_on_defects
    from include.checkpoint.validation import validate as validate_checkpoint

    report = validate_checkpoint(_prepared_checkpoint(plan))
    raise_on_defects(report)
    return report.model_dump(mode="json")


def deliver(plan: ImportPlan, s3: Any) -> dict[str, Any]:
    """Bring the checkpoint to its prefix, or find it there; return what was sent."""
    from include.checkpoint.progress import LogProgress
    from include.delivery.upload import upload

    if plan.delivered:
        log.info("%s holds this content already: nothing is sent", plan.s3_uri)
        return {"s3_uri": plan.s3_uri, "bytes_sent": 0}
    proof = plan.workspace_file(PROOF)
    report = upload(
        s3,
        _prepared_checkpoint(plan),
        plan.bucket,
        plan.prefix,
        manifest_key=plan.manifest_key,
        fingerprint=plan.fingerprint,
        proof=json.loads(proof.read_text()) if proof.exists() else None,
        progress=LogProgress("Uploading"),
        kms_key_id=plan.config.account.kms_key_id,
    )
    return asdict(report)


def clear(plan: ImportPlan) -> None:
    """Remove the run's files from the workspace."""
    shutil.rmtree(plan.workspace, ignore_errors=True)


_DELIVERED = "this content is in S3 already"


def why_no_conversion(plan: ImportPlan) -> str | None:
    """Return why there is nothing to convert, or None."""
    if plan.delivered:
        return _DELIVERED
    return "the base model is in the Hugging Face layout already" if plan.source_kind == "hf" else None


def why_no_merge(plan: ImportPlan) -> str | None:
    """Return why there is nothing to merge, or None."""
    if plan.delivered:
        return _DELIVERED
    return None if plan.config.adapter else "no adapter is given: the base model is imported as it is"


def why_no_validation(plan: ImportPlan) -> str | None:
    """Return why there is nothing to validate, or None."""
    return _DELIVERED if plan.delivered else None
