"""Preflight of an adapter together with its base model: whether the tensors fit, by their headers alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws.transient import transient_cause
from include.errors import ModelImportError
from include.preflight.asking import Check
from include.preflight.findings import Finding

if TYPE_CHECKING:
    from include.checkpoint.lora.adapter import Adapter
    from include.sources.source import Source

#: Parts that a merge plans by shapes alone. For others it reads tensors, and merge_lora checks them.
_BY_SHAPE = {"lora_A", "lora_B", "magnitude"}


def check_fit(base: Source, adapter: Source, spec: str, s3: Any) -> Check[None]:
    """Yield an error when the adapter was trained for a model of other tensors than the base model's.

    Args:
        base: the base model; one that is not in the Hugging Face layout yet is left to merge_lora.
        adapter: the adapter; one that is not PEFT's, or has to be fetched first, is left to merge_lora.
        spec: the adapter as the run names it.
        s3: an S3 client.
    """
    from include.checkpoint.files.reading import UriReader
    from include.checkpoint.layouts import kind_of
    from include.checkpoint.lora.adapter import read_adapter

    reader = UriReader(s3)
    if not (base.in_place and adapter.in_place):
        return
    if (kind_of(base.uri, reader), kind_of(adapter.uri, reader)) != ("hf", "adapter"):
        return
    try:
        read = read_adapter(adapter.uri, reader)
        if {part for parts in read.modules.values() for part in parts} <= _BY_SHAPE:
            _plan(read, base, s3)
    except ModelImportError as error:
        if transient_cause(error):
            raise
        remedy = error.remedy or "Give an adapter that was trained on this base model."
        yield Finding("error", "adapter", spec, error.finding, remedy)


def _plan(adapter: Adapter, base: Source, s3: Any) -> None:
    """Plan the merge; raises what merge_lora would raise before it reads any weights."""
    from include.checkpoint.files.folder import checkpoint_of_folder
    from include.checkpoint.files.reading import UriReader
    from include.checkpoint.lora.adapter_settings import has_plain_tensors
    from include.checkpoint.lora.fitting import fit
    from include.checkpoint.normalising import normalise

    reader = UriReader(s3)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = normalise(checkpoint_of_folder(base.uri, reader), Path(folder), reader)
        fitted = fit(adapter, checkpoint, reader)
        if has_plain_tensors(fitted.adapter):
            fitted.plan(fitted.adapter)
