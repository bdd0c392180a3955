"""Data sets in the forms in which they are published or exported: each is read, or refused with what to do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from include.errors import ModelImportError
from include.evaluation.dataset import Locations, Record, read_dataset

ALPACA = [
    {"instruction": "Name the capital.", "input": "Peru", "output": "Lima"},
    {"instruction": "Name a river.", "input": "", "output": "Nile"},
]
SHAREGPT = [{"conversations": [{"from": "human", "value": "Capital of Peru?"}, {"from": "gpt", "value": "Lima"}]}]
TRIVIA_QA = [{"question": "Capital of Peru?", "answer": {"value": "Lima", "aliases": ["Lima", "Ciudad de los Reyes"]}}]
GSM8K = [{"question": "6 x 7?", "answer": "6 times 7 is <<6*7=42>>42.\n#### 42"}]
MMLU = [{"question": "Capital of Peru?", "choices": ["Quito", "Lima", "La Paz", "Bogota"], "answer": 1}]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    ("rows", "locations", "question", "answer"),
    [
        (
            ALPACA,
            Locations('join(`"\\n"`, [instruction, input])', "output"),
            "Name the capital.\nPeru",
            "Lima",
        ),
        (
            SHAREGPT,
            Locations("conversations[?from=='human'] | [-1].value", "conversations[-1].value"),
            "Capital of Peru?",
            "Lima",
        ),
        (TRIVIA_QA, Locations("question", "answer.aliases"), "Capital of Peru?", "Lima<OR>Ciudad de los Reyes"),
        (GSM8K, Locations("question", "after(answer, '####')"), "6 x 7?", "42"),
        (
            MMLU,
            Locations('join(`"\\n"`, [question, join(`"\\n"`, choices)])', "item(choices, answer)"),
            "Capital of Peru?\nQuito\nLima\nLa Paz\nBogota",
            "Lima",
        ),
    ],
    ids=["Alpaca", "ShareGPT", "TriviaQA", "GSM8K", "MMLU"],
)
def test_published_data_sets_are_read_with_these_locations(
    tmp_path: Path, rows: list[dict[str, Any]], locations: Locations, question: str, answer: str
) -> None:
    [first, *_] = read_dataset(write(tmp_path, "q.jsonl", lines(rows)), locations).records
    assert (first.question, first.answer) == (question, answer)


LIMA = json.dumps({"question": "Capital of Peru?", "answer": "Lima"}).encode()
READ = (Record(0, "Capital of Peru?", "Lima"),)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.tsv", "question\tanswer\r\nCapital of Peru?\tLima\r\n".encode("utf-8-sig")),
        ("q.jsonl", b"\xef\xbb\xbf" + LIMA + b"\r\n\r\n"),
        ("q.jsonl.gz.gz", gzip.compress(gzip.compress(LIMA))),
        ("q.jsonl", gzip.compress(LIMA)),
    ],
    ids=["TSV with BOM and CRLF", "JSON Lines with BOM, CRLF and blank lines", "gzip twice", "gzip without its ending"],
)
def test_exports_of_other_programs_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    assert read_dataset(write(tmp_path, name, content)).records == READ


@pytest.mark.parametrize("kind", [pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())])
def test_parquet_with_large_or_dictionary_columns_is_read(tmp_path: Path, kind: Any) -> None:
    columns = {"question": ["Capital of Peru?"], "answer": ["Lima"]}
    table = pyarrow.table({name: pyarrow.array(values).cast(kind) for name, values in columns.items()})
    parquet.write_table(table, tmp_path / "q.parquet")
    assert read_dataset(tmp_path / "q.parquet").records == READ


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.jsonl", LIMA + b",\n", "without a comma after it"),
        ("q.jsonl", b"[\n" + LIMA + b"\n]", "one array of them ends in .json"),
        ("q.json", LIMA + b"\n" + LIMA, "JSON Lines, whose file ends in .jsonl"),
        ("q.json", b'{"version": "v2.0", "data": []}', "one object with version, data"),
        ("q.jsonl", b'{"question": "q", "answer": {"value": "a", "aliases": []}}', "an object with value, aliases"),
        ("q.jsonl", b'{"question": "q", "answer": []}', "an empty list"),
    ],
    ids=["commas", "an array called lines", "lines called an array", "SQuAD's own file", "an object", "no answer"],
)
def test_what_cannot_be_read_is_refused_with_what_is_expected(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(ModelImportError) as refused:
        read_dataset(write(tmp_path, name, content))
    assert said in str(refused.value)


@pytest.mark.parametrize("answer", ["after(answer, '####')", "item(choices, answer)"])
def test_a_function_that_finds_nothing_is_an_error_of_the_record(tmp_path: Path, answer: str) -> None:
    row = {"question": "q", "choices": ["a", "b"], "answer": 2 if "item" in answer else "no mark"}
    with pytest.raises(ModelImportError, match="line 1"):
        read_dataset(write(tmp_path, "q.jsonl", lines([row])), Locations("question", answer))
