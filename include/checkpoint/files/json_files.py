"""Read the text and JSON files of a checkpoint."""

from __future__ import annotations

import json
from typing import Any

from include.checkpoint.files.defects import JsonInvalidError, TextInvalidError
from include.checkpoint.files.placeholders import refuse_placeholder
from include.checkpoint.files.reading import LOCAL, RangeReader, read
from include.checkpoint.files.segments import Checkpoint, CheckpointFile

# The largest tokenizer.json of the supported families is under 20 MB.
MAX_JSON_BYTES = 32 * 2**20
UTF8 = "utf-8"
_TEXT_SUFFIXES = (".json", ".jinja", ".txt")
# As many bytes as it takes to distinguish the Unicode encodings of a JSON or template file.
_HEAD_BYTES = 4


def read_json(file: CheckpointFile, reader: RangeReader = LOCAL) -> dict[str, Any]:
    """Return the JSON object in the file, whichever Unicode encoding it is in.

    Raises JsonInvalidError and GitLfsPointerError.
    """
    if file.size > MAX_JSON_BYTES:
        raise JsonInvalidError(file.name, f"at most {MAX_JSON_BYTES} bytes", f"{file.size}")
    data = read(file, 0, file.size, reader)
    refuse_placeholder(file.name, data)
    try:
        value = json.loads(_decode(data))
    except (ValueError, RecursionError) as error:
        raise JsonInvalidError(file.name, "a JSON object", str(error)) from error
    if not isinstance(value, dict):
        raise JsonInvalidError(file.name, "a JSON object", type(value).__name__)
    return value


def read_json_if_any(checkpoint: Checkpoint, name: str, reader: RangeReader = LOCAL) -> dict[str, Any]:
    """Return the JSON object in the checkpoint's file of this name; empty if there is no such file."""
    return read_json(checkpoint.file(name), reader) if name in checkpoint.names() else {}


def read_text(file: CheckpointFile, reader: RangeReader = LOCAL) -> str:
    """Return the file's text, whichever Unicode encoding it is in; raises TextInvalidError."""
    if file.size > MAX_JSON_BYTES:
        raise TextInvalidError(file.name, f"at most {MAX_JSON_BYTES} bytes", f"{file.size}")
    try:
        return _decode(read(file, 0, file.size, reader))
    except UnicodeDecodeError as error:
        raise TextInvalidError(file.name, "text in UTF-8", str(error)) from error


def other_encodings(checkpoint: Checkpoint, reader: RangeReader = LOCAL) -> dict[str, str]:
    """Return the text files that Bedrock's transformers does not decode, each with its encoding.

    It opens every one of them as UTF-8 and takes a byte order mark for a part of the text.
    """
    texts = (file for file in checkpoint.files if file.name.endswith(_TEXT_SUFFIXES))
    found = {file.name: json.detect_encoding(read(file, 0, _HEAD_BYTES, reader)) for file in texts}
    return {name: encoding for name, encoding in found.items() if encoding != UTF8}


def format_json(value: Any) -> bytes:
    """Return the bytes of a JSON file in the format of transformers."""
    # Half of a surrogate pair, which UTF-8 cannot hold, becomes its JSON escape.
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def _decode(data: bytes) -> str:
    return data.decode(json.detect_encoding(data))
