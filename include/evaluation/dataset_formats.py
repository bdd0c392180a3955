"""The file formats of a data set, each read into rows of named values, a few at a time."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from include.evaluation import parquet_rows
from include.evaluation.errors import DatasetFormatError, DatasetLineError, DatasetTooLargeError
from include.evaluation.unpacking import unpacked
from include.limited_process import Limits, run_limited

#: What a file may unpack to whose rows are kept in memory: Parquet can be compressed a thousandfold.
MAX_UNPACKED_BYTES = 2_000_000_000
#: A line, or a value of CSV, is in memory as a whole; so is an array of JSON.
MAX_LINE_BYTES = 256_000_000
#: pyarrow itself takes half of a gigabyte of addresses, and a page of a file may unpack to two.
PARQUET_MEMORY_BYTES = 6 * 2**30
PARQUET_SECONDS = 300
#: Of each gigabyte of rows more than ``MAX_UNPACKED_BYTES``.
PARQUET_SECONDS_PER_GIGABYTE = 150
GZIP = ".gz"
_GZIP_MARK = b"\x1f\x8b"
_DELIMITERS = (",", ";", "\t")
#: What a row takes in memory, however short it is.
LEAST_ROW_BYTES = 200


class Row(NamedTuple):
    """The values of one line, and its position for messages."""

    place: str
    values: dict[str, Any]


def read_rows(uri: str, file: BinaryIO, max_bytes: int | None = None) -> Iterator[Row]:
    """Yield the rows of a file, by the format that the ending of ``uri`` names.

    Only a line, or a few rows of Parquet, are in memory at a time; Parquet is unpacked to a temporary file.

    Args:
        uri: the data set's name.
        file: its content, at its start.
        max_bytes: how much it may unpack to; ``MAX_UNPACKED_BYTES`` for rows that are kept in memory.

    Raises:
        DatasetFormatError: the ending is of no known format, or the content of another.
        DatasetLineError: a line cannot be read.
        DatasetTooLargeError: it unpacks to more than ``max_bytes``.
    """
    max_bytes = max_bytes or MAX_UNPACKED_BYTES
    path = PurePosixPath(uri)
    while path.suffix.lower() == GZIP:
        path, file = path.with_suffix(""), unpacked(uri, file, max_bytes)
    file = file if hasattr(file, "peek") else io.BufferedReader(file)  # type: ignore[type-var]
    if file.peek(len(_GZIP_MARK)).startswith(_GZIP_MARK):  # without the ending, as with Content-Encoding gzip in S3
        file = unpacked(uri, file, max_bytes)
    ending = path.suffix.lower()
    if ending not in _READERS:
        expected = f"an ending of {', '.join(_READERS)}, with {GZIP} behind it or not"
        raise DatasetFormatError(uri, expected, ending or "none")
    return _READERS[ending](uri, file, max_bytes)


def _json_array(uri: str, file: BinaryIO, _: int) -> Iterator[Row]:
    """Yield the objects of one JSON array, as ``json.dump`` of a list writes it."""
    content = file.read(MAX_LINE_BYTES + 1)
    if len(content) > MAX_LINE_BYTES:
        raise DatasetTooLargeError(uri, MAX_LINE_BYTES, len(content))
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


def _json_lines(uri: str, file: BinaryIO, _: int) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file; blank lines are skipped."""
    lines = (line for piece in _lines(uri, file) for line in piece.splitlines())
    for number, line in enumerate(lines, start=1):
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


def _lines(uri: str, file: BinaryIO) -> Iterator[bytes]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise DatasetLineError(uri, f"line {number}", f"at most {MAX_LINE_BYTES:,} bytes", "more")
        yield line


def _csv(uri: str, file: BinaryIO, _: int) -> Iterator[Row]:
    """Comma-separated with a header line, in UTF-8; quoted values may hold line ends (RFC 4180).

    Semicolons and tabs separate too where the header has no comma, as in what Excel writes in many countries. A row
    without any value is not a record.
    """
    csv.field_size_limit(MAX_LINE_BYTES)  # 131,072 characters otherwise
    lines = _text_lines(uri, file)
    first = next(lines, "")
    reader = csv.DictReader(_with(first, lines), strict=True, delimiter=_delimiter(first))
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


def _text_lines(uri: str, file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(_lines(uri, file), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DatasetLineError(uri, f"line {number}", "text in UTF-8", str(error)) from error
        yield from io.StringIO(text, newline="")  # a carriage return alone ends a line, too


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
        yield from rest


def _delimiter(header: str) -> str:
    return next((sign for sign in _DELIMITERS if sign in header), ",")


def _parquet(uri: str, file: BinaryIO, max_bytes: int) -> Iterator[Row]:
    seconds = PARQUET_SECONDS + max(0, max_bytes - MAX_UNPACKED_BYTES) * PARQUET_SECONDS_PER_GIGABYTE // 10**9
    with tempfile.TemporaryFile() as copy, tempfile.TemporaryFile() as lines:
        limits = Limits(seconds, PARQUET_MEMORY_BYTES, max_bytes)
        problem = run_limited(parquet_rows.__file__, _on_disk(file, copy), lines, limits)
        written = lines.seek(0, os.SEEK_END)
        if written >= max_bytes:
            raise DatasetTooLargeError(uri, max_bytes, written)
        if problem:
            raise DatasetFormatError(uri, f"Parquet that unpacks to at most {max_bytes:,} bytes", problem)
        lines.seek(0)
        for number, line in enumerate(lines, start=1):
            if number * LEAST_ROW_BYTES > max_bytes:
                raise DatasetTooLargeError(uri, max_bytes, number * LEAST_ROW_BYTES)
            yield Row(f"row {number}", json.loads(line))


def _on_disk(file: BinaryIO, copy: Any) -> Any:
    """Return the content as a file that another process can seek in."""
    if isinstance(getattr(file, "raw", None), io.FileIO):
        return file
    shutil.copyfileobj(file, copy)
    copy.flush()
    return copy


_READERS: Mapping[str, Callable[[str, BinaryIO, int], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
