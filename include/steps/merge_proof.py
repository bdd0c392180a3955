"""The proof of a run's merge, as a sentence."""

from __future__ import annotations

from typing import Any

from include.run.plan import ImportPlan


def merge_proof(plan: ImportPlan, s3: Any) -> str:
    """Return the proof of the merge from the delivery's manifest; empty without an adapter."""
    from include.delivery.manifest import read_manifest

    manifest = read_manifest(s3, plan.bucket, plan.manifest_key)
    if manifest is None or not manifest.proof:
        return ""
    proof, logits = manifest.proof, manifest.proof.get("logits", {})
    compared = (
        f"logits {logits['difference']:.2g} from those of peft's model, rounding allows {logits['allowed']:.2g}, "
        if logits and not logits["skipped"]
        else ""
    )
    return (
        f"{proof['changed_tensors']} tensors changed, largest deviation {proof['largest_deviation']:.3f} of the "
        f"allowed rounding, {compared}SHA-256 {proof['overlay_sha256']}"
    )
