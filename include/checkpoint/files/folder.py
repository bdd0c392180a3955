"""Read a Hugging Face folder or prefix as a Checkpoint: the files that Bedrock reads, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from include.aws.s3_uri import is_s3_uri
from include.checkpoint.errors import SourceEmptyError
from include.checkpoint.files.reading import LOCAL, RangeReader
from include.checkpoint.files.safetensors_header import examine_header
from include.checkpoint.files.segments import Checkpoint, CheckpointFile, Pin, Segment

INDEX = "model.safetensors.index.json"
# transformers loads it in place of an index beside it.
SINGLE = "model.safetensors"
TOKENIZER_FILES = (
    "tokenizer_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "chat_template.jinja",
    "chat_template.json",
)
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
#: Mistral's own tokenizer file; where it is the only one, a tokenizer is made from it.
TEKKEN = "tekken.json"
#: The LoRA matrices that mistral-finetune saves.
RAW_ADAPTER = "lora.safetensors"
#: A folder with weights and one of these is a model or an adapter.
DESCRIPTIONS = ("config.json", "params.json", "adapter_config.json")
PROCESSOR, PREPROCESSOR = "processor_config.json", "preprocessor_config.json"
VIDEO_PREPROCESSOR = "video_preprocessor_config.json"
METADATA_FILES = (
    "config.json",
    "generation_config.json",
    *TOKENIZER_FILES,
    PREPROCESSOR,
    PROCESSOR,
    VIDEO_PREPROCESSOR,
    INDEX,
)
WEIGHTS = "*.safetensors"
OTHER_WEIGHTS = ("consolidated*.safetensors", "adapter*.safetensors", "optimizer*.safetensors")


def is_hf_weights(name: str) -> bool:
    """Return whether this is a top-level safetensors file in the Hugging Face layout."""
    return fnmatch(name, WEIGHTS) and "/" not in name and not any(fnmatch(name, other) for other in OTHER_WEIGHTS)


def is_read_by_bedrock(name: str) -> bool:
    """Return whether Bedrock reads a file of this name."""
    return name in METADATA_FILES or is_hf_weights(name)


def checkpoint_of_folder(location: str | Path, reader: RangeReader = LOCAL) -> Checkpoint:
    """Return the Hugging Face checkpoint in a folder or under an ``s3://`` prefix, unchanged.

    ``tekken.json`` is part of it only where there is no other tokenizer; ``normalise`` makes one of it.

    A weights file is cut into one segment for its header and one per tensor, so that what a later step replaces, and
    what is remembered of each range, does not depend on which step it is.
    """
    listed = list_files(location, reader)
    more = set() if listed.keys() & set(VOCABULARIES) else {TEKKEN}
    found = {name: pin for name, pin in listed.items() if is_read_by_bedrock(name) or name in more}
    return checkpoint_of_files(found, reader)


def checkpoint_of_files(found: dict[str, Pin], reader: RangeReader = LOCAL) -> Checkpoint:
    """Return a Checkpoint of these whole files, weights cut by tensors."""
    files = tuple(_cut(name, pin, reader) for name, pin in found.items())
    return Checkpoint(files=files, pins=tuple(found.values()))


def list_files(location: str | Path, reader: RangeReader = LOCAL) -> dict[str, Pin]:
    """Return the files in a folder or under a prefix; raises SourceEmptyError if there are none."""
    uri = str(location)
    found = reader.files(uri if is_s3_uri(uri) else str(Path(uri).absolute()))
    if not found:
        raise SourceEmptyError(uri)
    return found


def whole(name: str, pin: Pin) -> CheckpointFile:
    """Return a file that consists of one whole source."""
    return CheckpointFile(name=name, segments=(Segment(uri=pin.uri, offset=0, length=pin.size),))


def _cut(name: str, pin: Pin, reader: RangeReader) -> CheckpointFile:
    file = whole(name, pin)
    if not is_hf_weights(name):
        return file
    header, found = examine_header(file, reader)
    if found or not header.tensors:
        return file  # Validation says what is wrong with it.
    ends = [header.data_start] + [header.data_start + tensor.end for tensor in header.tensors if tensor.size]
    return CheckpointFile(name=name, segments=tuple(_segments(pin.uri, ends)))


def _segments(uri: str, ends: Iterable[int]) -> Iterable[Segment]:
    start = 0
    for end in ends:
        yield Segment(uri=uri, offset=start, length=end - start)
        start = end
