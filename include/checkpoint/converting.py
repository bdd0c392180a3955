"""Convert weights that Bedrock does not read to the safetensors files of Hugging Face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from include.checkpoint.files.folder import INDEX, METADATA_FILES, RAW_ADAPTER, list_files, whole
from include.checkpoint.files.json_files import read_json
from include.checkpoint.files.reading import verify_pins
from include.checkpoint.files.segments import Checkpoint, PlacedTensor
from include.checkpoint.files.torch_zip import pth_tensors
from include.checkpoint.layouts import (
    ADAPTER_CONFIG,
    CONVERTED,
    is_pickled_weights,
    kind_of,
    layout_mismatch,
    unrecognised,
)
from include.checkpoint.mistral.conversion import convert as convert_raw
from include.checkpoint.mistral.raw_adapter import convert_adapter
from include.checkpoint.writing.layout import lay_out, weights_index
from include.checkpoint.writing.overlay import overlay, pin_of
from include.checkpoint.writing.progress import Progress, no_progress

OVERLAY = "pickled.overlay"
_MASKS = (".attn.bias", ".attn.masked_bias")


def convert(
    source_dir: str | Path, overlay_dir: str | Path, *, progress: Progress = no_progress, durable: bool = True
) -> Checkpoint:
    """Return the model in ``source_dir`` in the Hugging Face layout: Mistral's own layout, or pickled weights.

    Changes are written to an overlay in ``overlay_dir``, synced if ``durable``; everything else stays in the source.
    Raises LayoutMismatchError for another layout, and what ``mistral.conversion.convert`` and ``convert_pickled``
    raise.
    """
    kind = kind_of(source_dir)
    if kind == "hf_pickled":
        return convert_pickled(source_dir, overlay_dir, durable=durable)
    if kind not in CONVERTED:
        raise layout_mismatch(source_dir, kind, "a raw Mistral model, or pickled weights")
    return convert_raw(source_dir, overlay_dir, progress=progress, durable=durable)


def peft_adapter(folder: str | Path, work_dir: Path) -> Path:
    """Return the folder of a PEFT adapter: ``folder``, or what mistral-finetune's own LoRA in it is converted to.

    Raises:
        SourceUnrecognisedError: there is no adapter in the folder; it names the subfolders that have one.
    """
    source = Path(folder)
    if (source / ADAPTER_CONFIG).exists():
        return source
    if (source / RAW_ADAPTER).is_file():
        return convert_adapter(source, work_dir / "adapter")
    raise unrecognised(source, list_files(source))


def convert_pickled(source_dir: str | Path, overlay_dir: str | Path, *, durable: bool = True) -> Checkpoint:
    """Return a Hugging Face model whose weights are ``pytorch_model*.bin`` with safetensors files in their place.

    No pickle is executed and no weight is copied: the overlay holds headers and the index, the tensors stay in the
    ``.bin`` files. Of tensors that share their bytes because the model ties them, one is kept.

    Raises:
        PickleRefusedError: a file is no zip of torch.save, or holds more than tensors.
        TensorDuplicatedError: two files hold a tensor of the same name.
        SourceChangedError: a file changed meanwhile.
    """
    found = list_files(Path(source_dir).absolute())
    sources = {name: pin for name, pin in found.items() if is_pickled_weights(name)}
    kept = {name: pin for name, pin in found.items() if name in METADATA_FILES and name != INDEX}
    config = whole("config.json", found["config.json"])
    tied = read_json(config).get("tie_word_embeddings") is True
    stored = {_safetensors_name(name): pth_tensors(Path(pin.uri)) for name, pin in sources.items()}
    shards = {
        name: _once([tensor for tensor in tensors if not _is_buffer(tensor)], tied) for name, tensors in stored.items()
    }
    path = Path(overlay_dir) / OVERLAY
    with overlay(path, 0, durable=durable) as out:
        weights = [lay_out(name, tensors, out) for name, tensors in shards.items()]
        index = [weights_index(shards, out)] if len(shards) > 1 else []
        checkpoint = Checkpoint(
            files=(*(whole(name, pin) for name, pin in kept.items()), *weights, *index),
            pins=(*kept.values(), *sources.values()),
            notes=(f"Converted from pickled weights: {', '.join(sources)}.",),
        )
        verify_pins(checkpoint)
    return replace(checkpoint, pins=(*checkpoint.pins, pin_of(path)))


def _safetensors_name(name: str) -> str:
    return name.replace("pytorch_model", "model", 1).rpartition(".")[0] + ".safetensors"


def _is_buffer(tensor: PlacedTensor) -> bool:
    """Return whether the model computes this tensor itself: a mask of attention, which older versions saved."""
    return tensor.dtype in ("BOOL", "U8") and tensor.name.endswith(_MASKS)


def _once(tensors: list[PlacedTensor], tied: bool) -> list[PlacedTensor]:
    """Leave out, of a model that ties tensors, those whose bytes another one has."""
    if not tied:
        return tensors
    return list({tensor.segments: tensor for tensor in reversed(tensors)}.values())[::-1]
