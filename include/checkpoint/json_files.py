"""Reading the JSON files of a checkpoint, and putting them together as one model's metadata."""

from __future__ import annotations

import json
from typing import Any

from include.checkpoint.defects import JsonInvalidError
from include.checkpoint.reading import LOCAL, RangeReader, read
from include.checkpoint.segments import Checkpoint, CheckpointFile

# The largest tokenizer.json of the supported families is under 20 MB.
MAX_JSON_BYTES = 32 * 2**20


def read_json(file: CheckpointFile, reader: RangeReader = LOCAL) -> dict[str, Any]:
    """The JSON object in the file; raises JsonInvalidError."""
    if file.size > MAX_JSON_BYTES:
        raise JsonInvalidError(file.name, f"at most {MAX_JSON_BYTES} bytes", f"{file.size}")
    try:
        value = json.loads(read(file, 0, file.size, reader))
    except (ValueError, RecursionError) as error:
        raise JsonInvalidError(file.name, "a JSON object", str(error)) from error
    if not isinstance(value, dict):
        raise JsonInvalidError(file.name, "a JSON object", type(value).__name__)
    return value


def read_json_if_any(checkpoint: Checkpoint, name: str, reader: RangeReader = LOCAL) -> dict[str, Any]:
    """The JSON object in the checkpoint's file of this name, empty when there is no such file."""
    return read_json(checkpoint.file(name), reader) if name in checkpoint.names() else {}


def format_json(value: Any) -> bytes:
    """The bytes of a JSON file as transformers writes them."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
