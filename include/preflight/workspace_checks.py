"""Check that the workspace is writable and that a worker has space for conversion and merge."""

from __future__ import annotations

import math
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

from include.aws.errors import S3RequestError
from include.aws.transient import transient_cause
from include.config.account import AccountConfig
from include.errors import ModelImportError
from include.preflight.asking import Check
from include.preflight.findings import Finding
from include.run.workspace import Workspace

if TYPE_CHECKING:
    from include.run.inputs import RunInputs
    from include.sources.source import Source

CHECK = "workspace"
WEIGHTS = "adapter_model.safetensors"
_PROBE = "probe"
_REMEDY = "Set model_import_workspace to a folder that can be written to, on a disk that is large enough."
_SCRATCH_REMEDY = "Mount a disk there that can be written to and is large enough; AIRFLOW_HOME says where it is."
_HALF_OF_LORA = ".lora_A"
#: Kept free beside the estimate: small files, and what others write meanwhile.
RESERVE = 64 * 2**20


def check_workspace(
    workspace: Workspace, account: AccountConfig, inputs: RunInputs | None, s3: Any = None
) -> Check[None]:
    """Yield an error if the workspace is not writable or too small; a warning if it may be too small.

    Args:
        workspace: the run's place; a folder is created if it is missing.
        account: the account's settings.
        inputs: base model and adapter, if they were found.
        s3: S3 client, for an adapter or a workspace in S3.
    """
    if workspace.in_s3:
        yield from _check_prefix(workspace, account, s3)
    yield from _check_folder(workspace, inputs, s3)
    workspace.clear_scratch()


def _check_prefix(workspace: Workspace, account: AccountConfig, s3: Any) -> Check[None]:
    """Yield an error if nothing can be written to, and deleted from, a workspace in S3."""
    imports = f"s3://{account.bucket}/{account.prefix.strip('/')}".rstrip("/")
    if f"{account.workspace.rstrip('/')}/".startswith(f"{imports}/"):
        found = f"it is inside {imports}, which Bedrock may read and lifecycle rules must not clear"
        yield Finding("error", CHECK, account.workspace, found, "Set model_import_workspace to a prefix beside it.")
        return
    try:
        workspace.write(_PROBE, b"", s3)
        workspace.remove(_PROBE, s3)
    except S3RequestError as error:
        if transient_cause(error):
            raise
        remedy = f"{error.remedy} A run needs s3:PutObject, s3:GetObject and s3:DeleteObject there.".strip()
        yield Finding("error", CHECK, workspace.place, error.finding, remedy)


def _check_folder(workspace: Workspace, inputs: RunInputs | None, s3: Any) -> Check[None]:
    """Yield what is wrong with the folder in which a task computes, or has too little space for it."""
    folder = workspace.folder
    remedy = _SCRATCH_REMEDY if workspace.in_s3 else _REMEDY
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("error", CHECK, str(folder), f"it cannot be written to: {error.strerror}", remedy)
        return
    base = _bytes(inputs.base) if inputs else 0
    merged = min(_changed_bytes(inputs.adapter, s3), base) if inputs and inputs.adapter else 0
    fetched = sum(_bytes(source) for source in inputs[:2] if source and _is_fetched(source)) if inputs else 0
    most = merged + fetched + (base if inputs and (_converts(inputs.base) or inputs.dtype != "keep") else 0)
    is_free = f"{_gigabytes(free)} are free"
    if free < merged + fetched + RESERVE:
        found = f"{is_free}, fetching and merging write about {_gigabytes(merged + fetched)}"
        yield Finding("error", CHECK, str(folder), found, f"Free some space, or: {remedy}")
    elif most > merged + fetched and free < most + RESERVE:
        found = f"{is_free}, conversion, merge and rounding write up to {_gigabytes(most)}"
        yield Finding("warning", CHECK, str(folder), found, f"Free some space, or: {remedy}")
    elif workspace.in_s3:
        found = f"scratch space of this worker: {is_free}, a task writes up to {_gigabytes(most)}"
        yield Finding("info", CHECK, str(folder), found)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _bytes(source: Source) -> int:
    return sum(file.size for file in source.files)


def _is_fetched(source: Source) -> bool:
    """Return whether a local copy of the whole source is made: of an archive or pickles, and of what is converted."""
    return not source.in_place or (_converts(source) and bool(source.pins))


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
