"""Read, check and write the header of a safetensors file.

Format: 8 bytes of header length (little-endian), a JSON object of name → {dtype, shape, data_offsets}, and the
tensors' bytes without holes between them.
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from include.checkpoint.files import defects
from include.checkpoint.files.placeholders import POINTER, refuse_placeholder
from include.checkpoint.files.reading import LOCAL, RangeReader, read
from include.checkpoint.files.segments import CheckpointFile

LENGTH_BYTES = 8
# The safetensors library stops at 100 MB. No model that Bedrock takes needs 2 MB in one file, and parsing costs memory.
MAX_HEADER_BYTES = 16 * 2**20
MAX_DIMENSIONS = 16
#: The formats that weights are stored in, by safetensors' names, with torch's.
WEIGHT_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
STORED_DTYPES = {torch: stored for stored, torch in WEIGHT_DTYPES.items()}
DTYPE_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file; ``begin`` and ``end`` count from the start of the file's data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Return the tensor's length in bytes."""
        return self.end - self.begin


@dataclass(frozen=True)
class Header:
    """The tensors of one file in the order of their bytes; ``metadata`` is None where the file has none."""

    tensors: tuple[TensorEntry, ...]
    data_start: int
    metadata: dict[str, str] | None


def read_header(file: CheckpointFile, reader: RangeReader = LOCAL) -> Header:
    """Return the file's header; raises the first defect found in it."""
    header, found = examine_header(file, reader)
    if found:
        raise found[0]
    return header


def examine_header(file: CheckpointFile, reader: RangeReader = LOCAL) -> tuple[Header, list[defects.Defect]]:
    """Return what can be read of the file's header, and every defect in it."""
    try:
        raw, data_start = _read_raw(file, reader)
        items = _parse(file.name, raw)
    except defects.Defect as defect:
        return Header((), 0, None), [defect]
    metadata = items.pop("__metadata__", None)
    problems = [] if _is_metadata(metadata) else [_invalid(file.name, "__metadata__", metadata)]
    entries: list[TensorEntry] = []
    for name, item in items.items():
        entry = _entry(file.name, name, item, file.size - data_start)
        (problems if isinstance(entry, defects.Defect) else entries).append(entry)  # type: ignore[arg-type]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    problems += problems or _layout_defects(file.name, entries, file.size - data_start)
    return Header(tuple(entries), data_start, metadata if _is_metadata(metadata) else None), problems


def _read_raw(file: CheckpointFile, reader: RangeReader) -> tuple[bytes, int]:
    if file.size < LENGTH_BYTES:
        raise defects.HeaderTruncatedError(file.name, f"at least {LENGTH_BYTES} bytes", f"{file.size}")
    head = read(file, 0, max(LENGTH_BYTES, len(POINTER)), reader)
    refuse_placeholder(file.name, head)
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise defects.HeaderTooLargeError(file.name, f"at most {MAX_HEADER_BYTES} bytes", f"{length}")
    if LENGTH_BYTES + length > file.size:
        raise defects.HeaderTruncatedError(file.name, f"{LENGTH_BYTES + length} bytes", f"{file.size}")
    return read(file, LENGTH_BYTES, length, reader), LENGTH_BYTES + length


def _parse(name: str, raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        items = dict(pairs)
        if len(items) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0]
            raise defects.TensorDuplicatedError(name, f"{twice[0]} once", f"{twice[1]} times")
        return items

    try:
        items = json.loads(raw, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise defects.HeaderNotJsonError(name, "a JSON object", str(error)) from error
    if not isinstance(items, dict):
        raise defects.HeaderNotJsonError(name, "a JSON object", type(items).__name__)
    return items


def _entry(file: str, name: str, item: Any, data_size: int) -> TensorEntry | defects.Defect:
    if not (isinstance(item, dict) and _is_counts(item.get("shape")) and isinstance(item.get("dtype"), str)):
        return _invalid(file, name, item)
    offsets = item.get("data_offsets")
    if not (_is_counts(offsets) and len(offsets) == 2):
        return _invalid(file, name, item)
    if item["dtype"] not in DTYPE_BYTES:
        return defects.TensorDtypeUnknownError(file, f"{name}: one of {', '.join(DTYPE_BYTES)}", item["dtype"])
    begin, end = offsets
    size = math.prod(item["shape"]) * DTYPE_BYTES[item["dtype"]]
    if begin > end:
        return defects.TensorOffsetsError(file, f"{name}: begin before end", f"{begin}, {end}")
    if end - begin != size:
        return defects.TensorSizeMismatchError(file, f"{name}: {size} bytes", f"{end - begin}")
    if end > data_size:
        return defects.ShardTruncatedError(file, f"{name}: {end} bytes of data", f"{data_size}")
    return TensorEntry(name, item["dtype"], tuple(item["shape"]), begin, end)


def _layout_defects(file: str, entries: list[TensorEntry], data_size: int) -> Iterator[defects.Defect]:
    position, previous = 0, "the header"
    for entry in entries:
        wanted = f"{entry.name}: begin at {position}, after {previous}"
        if entry.begin < position:
            yield defects.TensorOverlapError(file, wanted, f"{entry.begin}")
        elif entry.begin > position:
            yield defects.TensorHoleError(file, wanted, f"{entry.begin}")
        position, previous = max(position, entry.end), entry.name
    if position < data_size:
        yield defects.ShardTrailingBytesError(file, f"{position} bytes of data", f"{data_size}")


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    # A bool is an int to Python, not to the format.
    return (
        isinstance(value, list)
        and len(value) <= MAX_DIMENSIONS
        and all(type(count) is int and 0 <= count < 2**63 for count in value)
    )


def _is_metadata(value: Any) -> TypeGuard[dict[str, str] | None]:
    return value is None or (isinstance(value, dict) and all(isinstance(text, str) for text in value.values()))


def _invalid(file: str, name: str, item: Any) -> defects.Defect:
    return defects.TensorEntryInvalidError(file, f"{name}: dtype, shape and data_offsets", json.dumps(item))


def format_header(tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: dict[str, str]) -> bytes:
    """Return the header of a file with these contiguous (name, dtype, shape), padded to 8 bytes."""
    items: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    position = 0
    for name, dtype, shape in tensors:
        end = position + math.prod(shape) * DTYPE_BYTES[dtype]
        items[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(items, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text
