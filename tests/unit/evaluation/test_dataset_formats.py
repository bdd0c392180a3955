"""Data sets are read as streams: memory does not grow with them."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from include.evaluation.dataset_formats import read_rows
from include.evaluation.errors import DatasetLineError, DatasetTooLargeError

LONG = b"very " * 50
JSONL = b'{"question": "What is the ' + LONG + b'old capital of Peru?", "answer": "Lima"}\n'
CSV = b'"What is the\n' + LONG + b'old capital of Peru?",Lima\r\n'
COUNT = 10_000
SMALL = 1_500_000


class _Repeated(io.RawIOBase):
    """A file that holds a line many times, and is never in memory."""

    def __init__(self, first: bytes, line: bytes, count: int) -> None:
        super().__init__()
        self._rest, self._line, self._left = first, line, count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while len(self._rest) < len(buffer) and self._left:
            self._left -= 1
            self._rest += self._line
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def repeated(first: bytes, line: bytes) -> io.BufferedReader:
    return io.BufferedReader(_Repeated(first, line, COUNT))


FILES: dict[str, Callable[[], io.BufferedIOBase]] = {
    "q.jsonl": lambda: repeated(b"", JSONL),
    "q.csv": lambda: repeated(b"question,answer\r\n", CSV),
    "q.jsonl.gz": lambda: io.BytesIO(gzip.compress(JSONL * COUNT, 1)),
    "q.csv.gz": lambda: io.BytesIO(gzip.compress(b"question,answer\n" + CSV * COUNT, 1)),
}


@pytest.mark.parametrize("name", FILES)
def test_memory_does_not_grow_with_the_file(name: str) -> None:
    file = FILES[name]()
    tracemalloc.start()
    try:
        count = sum(row.values["answer"] == "Lima" for row in read_rows(name, file))  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == COUNT
    assert peak < SMALL


def test_parquet_on_the_disk_is_read_without_a_copy_in_memory(tmp_path: Path) -> None:
    table = pyarrow.table({"question": [f"Question {number}? " + "x" * 1000 for number in range(20_000)]})
    parquet.write_table(table, tmp_path / "q.parquet", compression="none", use_dictionary=False)
    with (tmp_path / "q.parquet").open("rb") as file:
        file.read(100)  # as far as it was read does not matter
        tracemalloc.start()
        try:
            rows = sum(1 for _ in read_rows("q.parquet", file))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert rows == 20_000
    assert (tmp_path / "q.parquet").stat().st_size > 2 * SMALL
    assert peak < SMALL


@pytest.mark.parametrize("name", ["q.jsonl", "q.csv"])
def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.evaluation.dataset_formats.MAX_LINE_BYTES", 1000)
    with pytest.raises(DatasetLineError, match="line 2"):
        list(read_rows(name, io.BytesIO(b'{"a": 1}\n' + b"x" * 2000)))


def test_a_quote_that_is_not_closed_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.evaluation.dataset_formats.MAX_LINE_BYTES", 1000)
    with pytest.raises(DatasetLineError, match="field larger than field limit"):
        list(read_rows("q.csv", repeated(b'question\n"', b"never closed\n")))


def test_a_gzip_bomb_is_refused_while_it_is_unpacked() -> None:
    file = io.BytesIO(gzip.compress(JSONL * COUNT * 30, 1))
    rows = read_rows("q.jsonl.gz", file, max_bytes=SMALL)
    with pytest.raises(DatasetTooLargeError):
        list(rows)
    assert file.tell() < len(file.getvalue())


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_on_any_system(end: bytes) -> None:
    lines = io.BytesIO(end.join([b'{"a": 1}', b"", b'{"a": 2}']))
    assert [row.place for row in read_rows("q.jsonl", lines)] == ["line 1", "line 3"]
    rows = io.BytesIO(end.join([b"a,b", b"1,2", b"3,4"]))
    assert [row.values for row in read_rows("q.csv", rows)] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
