"""Check that the workspace is writable and has space for conversion and merge."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws.transient import transient_cause
from include.errors import ModelImportError
from include.preflight.asking import Check
from include.preflight.findings import Finding, Severity

if TYPE_CHECKING:
    from include.run.inputs import RunInputs
    from include.sources.source import Source

CHECK = "workspace"
WEIGHTS = "adapter_model.safetensors"
_HALF_OF_LORA = ".lora_A"
#: Kept free beside the estimate: small files, and what others write meanwhile.
RESERVE = 64 * 2**20


def check_workspace(workspace: Path, inputs: RunInputs | None, s3: Any = None) -> Check[None]:
    """Yield an error if the workspace is not writable or too small; a warning if it may be too small.

    Args:
        workspace: the folder of the run's files; created if it is missing.
        inputs: base model and adapter, if they were found.
        s3: S3 client, for an adapter in S3.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workspace):
            free = shutil.disk_usage(workspace).free
    except OSError as error:
        found = f"it cannot be written to: {error.strerror}"
        yield Finding("error", CHECK, str(workspace), found, "Set model_import_workspace to a folder that can.")
        return
    base = _bytes(inputs.base) if inputs else 0
    merged = min(_changed_bytes(inputs.adapter, s3), base) if inputs and inputs.adapter else 0
    fetched = sum(_bytes(source) for source in inputs[:2] if source and not source.in_place) if inputs else 0
    if free < merged + fetched + RESERVE:
        yield _too_small("error", workspace, free, f"fetching and merging write about {_gigabytes(merged + fetched)}")
    elif inputs and (_converts(inputs.base) or inputs.dtype != "keep") and free < merged + fetched + base + RESERVE:
        most = _gigabytes(merged + fetched + base)
        yield _too_small("warning", workspace, free, f"conversion, merge and rounding write up to {most}")


def _too_small(severity: Severity, workspace: Path, free: int, writes: str) -> Finding:
    found = f"{_gigabytes(free)} are free, {writes}"
    remedy = "Free some space, or set model_import_workspace to a larger disk."
    return Finding(severity, CHECK, str(workspace), found, remedy)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _bytes(source: Source) -> int:
    return sum(file.size for file in source.files)


def _converts(source: Source) -> bool:
    names = {file.name for file in source.files}
    return "params.json" in names and "config.json" not in names


def _changed_bytes(adapter: Source, s3: Any) -> int:
    """Estimate how much a merge writes; 0 if that is unknown before the adapter is fetched."""
    try:
        return _lora_bytes(f"{adapter.uri}/{WEIGHTS}", s3) if adapter.in_place else 0
    except (ModelImportError, OSError) as error:
        if transient_cause(error):
            raise
        return 0  # the check of the adapter says what is wrong with it


def _lora_bytes(weights: str, s3: Any) -> int:
    """Return the size of the tensors that a LoRA changes: out x in of each A (r, in) and B (out, r), in 16 bits."""
    from include.checkpoint.files.folder import whole
    from include.checkpoint.files.reading import UriReader
    from include.checkpoint.files.safetensors_header import read_header

    reader = UriReader(s3)
    tensors = {entry.name: entry for entry in read_header(whole(WEIGHTS, reader.pin(weights)), reader).tensors}
    total = 0
    for name, entry in tensors.items():
        partner = tensors.get(name.replace(_HALF_OF_LORA, ".lora_B")) if _HALF_OF_LORA in name else None
        if partner:
            total += 2 * entry.shape[-1] * partner.shape[0]
        elif "lora_" not in name:
            total += 2 * math.prod(entry.shape)
    return total
