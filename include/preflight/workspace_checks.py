"""Preflight of the workspace: it can be written to, and has room for what conversion and merge write."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

from include.errors import ModelImportError
from include.preflight.asking import Check
from include.preflight.findings import Finding, Severity

CHECK = "workspace"
WEIGHTS = "adapter_model.safetensors"
_HALF_OF_LORA = ".lora_A"
#: Kept free beside the estimate: small files, and what others write meanwhile.
RESERVE = 64 * 2**20


def check_workspace(workspace: Path, base: Path, adapter: Path | None, converts: bool) -> Check[None]:
    """Yield an error when the workspace cannot be written to or is too small; a warning when it may be.

    Args:
        workspace: the folder of the run's files; made if it is missing.
        base: the base model's folder.
        adapter: the adapter's folder, if one is merged.
        converts: whether the base is converted to the Hugging Face layout first.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workspace):
            free = shutil.disk_usage(workspace).free
    except OSError as error:
        found = f"it cannot be written to: {error.strerror}"
        yield Finding("error", CHECK, str(workspace), found, "Set model_import_workspace to a folder that can.")
        return
    merged = _merged_bytes(base, adapter) if adapter else 0
    if free < merged + RESERVE:
        yield _too_small("error", workspace, free, f"the merge writes about {_gigabytes(merged)}")
    elif converts and free < merged + folder_bytes(base) + RESERVE:
        most = _gigabytes(merged + folder_bytes(base))
        yield _too_small("warning", workspace, free, f"conversion and merge write up to {most}")


def _too_small(severity: Severity, workspace: Path, free: int, writes: str) -> Finding:
    found = f"{_gigabytes(free)} are free, {writes}"
    remedy = "Free some space, or set model_import_workspace to a larger disk."
    return Finding(severity, CHECK, str(workspace), found, remedy)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def folder_bytes(folder: Path) -> int:
    """Return the size of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0


def _merged_bytes(base: Path, adapter: Path) -> int:
    """Return about how much a merge writes: the weights that the adapter changes, never more than the base holds."""
    try:
        changed = _changed_bytes(adapter)
    except (ModelImportError, OSError):  # the check of the adapter says what is wrong with it
        changed = 0
    return min(changed, folder_bytes(base))


def _changed_bytes(adapter: Path) -> int:
    """Return the size of the tensors that a LoRA changes: out x in of each A (r, in) and B (out, r), in 16 bits."""
    from include.checkpoint.folder import whole
    from include.checkpoint.reading import LOCAL
    from include.checkpoint.safetensors_header import read_header

    weights = adapter / WEIGHTS
    tensors = {entry.name: entry for entry in read_header(whole(WEIGHTS, LOCAL.pin(str(weights)))).tensors}
    total = 0
    for name, entry in tensors.items():
        partner = tensors.get(name.replace(_HALF_OF_LORA, ".lora_B")) if _HALF_OF_LORA in name else None
        if partner:
            total += 2 * entry.shape[-1] * partner.shape[0]
        elif "lora_" not in name:
            total += 2 * math.prod(entry.shape)
    return total
