"""Read the file formats of a data set into rows of named values."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from include.evaluation import parquet_rows
from include.evaluation.errors import DatasetFormatError, DatasetLineError, DatasetTooLargeError
from include.limited_process import Limits, run_limited

#: What a Parquet file may unpack to: it can be compressed a thousandfold.
MAX_UNPACKED_BYTES = 2_000_000_000
#: pyarrow itself takes half of a gigabyte of addresses, and a page of a file may unpack to two.
PARQUET_MEMORY_BYTES = 6 * 2**30
PARQUET_SECONDS = 300
GZIP = ".gz"
_GZIP_MARK = b"\x1f\x8b"
_DELIMITERS = (",", ";", "\t")
#: What a row takes in memory, however short it is.
LEAST_ROW_BYTES = 200


class Row(NamedTuple):
    """The values of one line, and its position for messages."""

    place: str
    values: dict[str, Any]


def read_rows(uri: str, content: bytes) -> Iterator[Row]:
    """Yield the rows of a file, by the format that the ending of ``uri`` names.

    Raises:
        DatasetFormatError: the ending is of no known format, or the content of another.
        DatasetLineError: a line cannot be read.
        DatasetTooLargeError: it unpacks to more than ``MAX_UNPACKED_BYTES``.
    """
    path = PurePosixPath(uri)
    while path.suffix.lower() == GZIP:
        path, content = path.with_suffix(""), _unpacked(uri, content)
    if content.startswith(_GZIP_MARK):  # without the ending, as S3 keeps an object with Content-Encoding gzip
        content = _unpacked(uri, content)
    ending = path.suffix.lower()
    if ending not in _READERS:
        expected = f"an ending of {', '.join(_READERS)}, with {GZIP} behind it or not"
        raise DatasetFormatError(uri, expected, ending or "none")
    return _READERS[ending](uri, content)


def _unpacked(uri: str, content: bytes) -> bytes:
    """Return the decompressed content of a gzip file, within the size limit."""
    try:
        with gzip.open(io.BytesIO(content)) as file:
            unpacked = file.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetFormatError(uri, "a gzip file", str(error)) from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise DatasetTooLargeError(uri, MAX_UNPACKED_BYTES, len(unpacked))
    return unpacked


def _json_array(uri: str, content: bytes) -> Iterator[Row]:
    """Yield the objects of one JSON array, as ``json.dump`` of a list writes it."""
    try:
        rows = json.loads(content)
    except ValueError as error:
        expected = "an array of JSON objects; objects one a line are JSON Lines, whose file ends in .jsonl"
        raise DatasetLineError(uri, "the file", expected, str(error)) from error
    if not isinstance(rows, list):
        keys = f"one object with {', '.join(list(rows)[:5])}" if isinstance(rows, dict) else type(rows).__name__
        raise DatasetLineError(uri, "the file", "an array of JSON objects, and nothing around it", keys)
    for number, values in enumerate(rows, start=1):
        if not isinstance(values, dict):
            raise DatasetLineError(uri, f"element {number}", "a JSON object", type(values).__name__)
        yield Row(f"element {number}", values)


def _json_lines(uri: str, content: bytes) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file; blank lines are skipped."""
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise DatasetLineError(uri, place, _expected(line), str(error)) from error
        if not isinstance(values, dict):
            raise DatasetLineError(uri, place, "a JSON object", type(values).__name__)
        yield Row(place, values)


def _expected(line: bytes) -> str:
    if line.strip().endswith(b"},"):
        return "a JSON object without a comma after it"
    if line.strip() == b"[":
        return "a JSON object; a file that is one array of them ends in .json"
    return "a JSON object"


def _csv(uri: str, content: bytes) -> Iterator[Row]:
    """Comma-separated with a header line, in UTF-8; quoted values may hold line ends (RFC 4180).

    Semicolons and tabs separate too where the header has no comma, as in what Excel writes in many countries. A row
    without any value is not a record.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetLineError(uri, f"line {line}", "text in UTF-8", str(error)) from error
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))  # 131,072 characters otherwise
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=_delimiter(text))
    try:
        header = reader.fieldnames or []
        if len(set(header)) < len(header):
            raise DatasetLineError(uri, "line 1", "columns of different names", ", ".join(header))
        for values in reader:
            place = f"line {reader.line_num}"
            if None in values:
                raise DatasetLineError(uri, place, f"{len(header)} values", "more")
            if any(values.values()):
                yield Row(place, values)
    except csv.Error as error:
        raise DatasetLineError(uri, f"line {reader.line_num + 1}", "comma-separated values", str(error)) from error


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return next((sign for sign in _DELIMITERS if sign in header), ",")


def _parquet(uri: str, content: bytes) -> Iterator[Row]:
    with tempfile.TemporaryFile() as lines:
        limits = Limits(PARQUET_SECONDS, PARQUET_MEMORY_BYTES, MAX_UNPACKED_BYTES)
        problem = run_limited(parquet_rows.__file__, content, lines, limits)
        written = lines.seek(0, os.SEEK_END)
        if written >= MAX_UNPACKED_BYTES:
            raise DatasetTooLargeError(uri, MAX_UNPACKED_BYTES, written)
        if problem:
            raise DatasetFormatError(uri, f"Parquet that unpacks to at most {MAX_UNPACKED_BYTES:,} bytes", problem)
        lines.seek(0)
        for number, line in enumerate(lines, start=1):
            if number * LEAST_ROW_BYTES > MAX_UNPACKED_BYTES:
                raise DatasetTooLargeError(uri, MAX_UNPACKED_BYTES, number * LEAST_ROW_BYTES)
            yield Row(f"row {number}", json.loads(line))


_READERS: Mapping[str, Callable[[str, bytes], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
