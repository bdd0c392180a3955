"""Convert raw Mistral and Mixtral models to the Hugging Face layout without copying unchanged weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from include.checkpoint.errors import RawFilesMissingError, RawTensorError
from include.checkpoint.files.folder import whole
from include.checkpoint.files.json_files import format_json, read_json
from include.checkpoint.files.reading import LOCAL, verify_pins
from include.checkpoint.files.safetensors_header import DTYPE_BYTES, WEIGHT_DTYPES
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, PlacedTensor
from include.checkpoint.mistral.raw_conversion import convert_tensor, written_bytes
from include.checkpoint.mistral.raw_params import PARAMS, RawParams, hf_config, parse_params
from include.checkpoint.mistral.raw_tokenizer import tokenizer_files
from include.checkpoint.mistral.raw_weights import pins, raw_tensors, weights_files
from include.checkpoint.writing.layout import lay_out, weights_index
from include.checkpoint.writing.overlay import Overlay, overlay, pin_of
from include.checkpoint.writing.progress import Progress, no_progress

OVERLAY = "convert.overlay"
MAX_SHARD_BYTES = 5 * 10**9


def convert(
    source_dir: str | Path, overlay_dir: str | Path, *, progress: Progress = no_progress, durable: bool = True
) -> Checkpoint:
    """Return the raw model in ``source_dir`` in the Hugging Face layout, in files of at most 5 GB.

    Writes ``convert.overlay`` in ``overlay_dir``, synced if ``durable``: headers, JSON files, and the tensors whose
    bytes move, which are q and k (their rows are permuted inside each head) and what was split by columns. All else
    stays in the source.
    Raises RawParamsError, RawVariantError, RawTensorError, RawFilesMissingError, PickleRefusedError, DiskFullError,
    SourceChangedError, or the first defect of a weights file.
    """
    folder = Path(source_dir).absolute()
    params = _read_params(folder)
    files = weights_files(folder)
    sources = pins(files)
    pieces = raw_tensors(files)
    config, notes = hf_config(params, _dtype(pieces))
    path = Path(overlay_dir) / OVERLAY
    with overlay(path, sum(written_bytes(found) for found in pieces.values()), durable=durable) as out:
        tensors = list(_convert_tensors(pieces, params, out, progress))
        weights = _lay_out_shards(tensors, out)
        metadata, tokenizer_notes = tokenizer_files(folder)
        metadata |= {"config.json": format_json(config), "generation_config.json": _generation_config()}
        checkpoint = Checkpoint(
            files=(*(out.file(name, data) for name, data in sorted(metadata.items())), *weights),
            pins=sources,
            notes=(_said(files), *notes, *tokenizer_notes),
        )
        verify_pins(checkpoint)
    return replace(checkpoint, pins=(*sources, pin_of(path)))


def _read_params(folder: Path) -> RawParams:
    if not (folder / PARAMS).is_file():
        raise RawFilesMissingError(str(folder), PARAMS)
    return parse_params(read_json(whole(PARAMS, LOCAL.pin(str(folder / PARAMS)))))


def _said(files: list[Path]) -> str:
    return f"Converted from Mistral's own layout: {', '.join(path.name for path in files)}."


def _dtype(pieces: dict[str, list[PlacedTensor]]) -> str:
    found = {tensor.dtype for tensors in pieces.values() for tensor in tensors}
    if not found <= WEIGHT_DTYPES.keys():
        raise RawTensorError("all tensors", ", ".join(WEIGHT_DTYPES), ", ".join(sorted(found)))
    return WEIGHT_DTYPES[max(found, key=lambda dtype: DTYPE_BYTES[dtype])]


def _convert_tensors(
    pieces: dict[str, list[PlacedTensor]], params: RawParams, out: Overlay, progress: Progress
) -> Iterator[PlacedTensor]:
    total = sum(written_bytes(found) for found in pieces.values())
    for count, found in enumerate(pieces.values()):
        progress(count, len(pieces), min(out.size, total), total)
        yield from convert_tensor(found, params, out)
    progress(len(pieces), len(pieces), total, total)


def _lay_out_shards(tensors: list[PlacedTensor], out: Overlay) -> list[CheckpointFile]:
    shards: list[list[PlacedTensor]] = [[]]
    for tensor in tensors:
        if shards[-1] and sum(placed.size for placed in shards[-1]) + tensor.size > MAX_SHARD_BYTES:
            shards.append([])
        shards[-1].append(tensor)
    if len(shards) == 1:
        return [lay_out("model.safetensors", shards[0], out)]
    names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    named = dict(zip(names, shards, strict=True))
    files = [lay_out(name, shard, out) for name, shard in named.items()]
    return [*files, weights_index(named, out)]


def _generation_config() -> bytes:
    return format_json({"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2})
