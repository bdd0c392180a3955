from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import pickle
import resource
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from include.errors import ModelImportError
from include.evaluation.dataset import Dataset, Locations, Record, read_dataset, record_ids, sample
from include.evaluation.errors import (
    DatasetCategoriesError,
    DatasetEmptyError,
    DatasetFieldError,
    DatasetFormatError,
    DatasetLineError,
    DatasetLocationError,
    DatasetNotFoundError,
    DatasetTooLargeError,
)

GOOD = b'{"question": "Capital of Peru?", "answer": "Lima", "category": "South America"}\n'
ROWS = [
    {"q": {"text": "Capital of Peru?"}, "answers": ["Lima"], "meta": [{"region": "South America"}]},
    {"q": {"text": "Who?"}, "answers": ["A", "B"], "meta": [{"region": None}]},
]
DEFAULT = Locations()
NESTED = Locations("q.text", "answers", "meta[0].region")
RECORDS = (Record(0, "Capital of Peru?", "Lima", "South America"), Record(1, "Who?", "A<OR>B", None))


def write(folder: Path, content: bytes, name: str = "questions.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def write_parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "questions.parquet")
    return folder / "questions.parquet"


def refusal(path: Path, locations: Locations = DEFAULT) -> ModelImportError:
    with pytest.raises(ModelImportError) as refused:
        read_dataset(path, locations)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    return refused.value


def test_records_keep_their_order_and_the_file_its_digest(tmp_path: Path) -> None:
    content = GOOD + b'\n{"question": "Who?", "answer": "A<OR>B", "source": "ours"}'
    dataset = read_dataset(write(tmp_path, content))
    assert dataset.records == RECORDS
    assert dataset.uri == str(tmp_path / "questions.jsonl")
    assert dataset.digest == hashlib.sha256(content).hexdigest()
    assert RECORDS[1].accepted_answers == ("A", "B")


def test_nested_fields_and_lists_of_answers_are_found_by_jmespath(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(row) for row in ROWS).encode()
    assert read_dataset(write(tmp_path, lines), NESTED).records == RECORDS


def test_parquet_gives_the_records_of_json_lines(tmp_path: Path) -> None:
    assert read_dataset(write_parquet(tmp_path, ROWS), NESTED).records == RECORDS


def test_csv_gives_the_records_of_json_lines_line_ends_in_values_and_all(tmp_path: Path) -> None:
    content = '\ufeffquestion,the answer,category\r\nCapital of Peru?,Lima,South America\r\n"Who,\nthen?",A<OR>B,\r\n'
    dataset = read_dataset(write(tmp_path, content.encode(), "q.csv"), Locations(answer="the answer"))
    assert dataset.records == (RECORDS[0], Record(1, "Who,\nthen?", "A<OR>B", None))


def test_a_column_of_that_very_name_is_taken_before_an_expression(tmp_path: Path) -> None:
    row = json.dumps({"q.text": "right", "q": {"text": "wrong"}, "answer": "a"}).encode()
    assert read_dataset(write(tmp_path, row), Locations("q.text")).records[0].question == "right"


def test_a_record_has_the_same_digest_wherever_it_stands() -> None:
    assert Record(0, "q", "a", "c").digest == Record(7, "q", "a", "c").digest
    others = (Record(0, "q", "b", "c"), Record(0, "p", "a", "c"), Record(0, "q", "a"), Record(0, "qa", "", "c"))
    assert Record(0, "q", "a", "c").digest not in {other.digest for other in others}


def test_a_record_that_comes_again_has_an_id_of_its_own() -> None:
    first, second, third = record_ids([Record(0, "q", "a"), Record(1, "p", "a"), Record(2, "q", "a")])
    assert third == f"{first}-2"
    assert len({first, second, third}) == 3


@pytest.mark.parametrize(
    ("line", "field", "found"),
    [
        (b'{"answer": "Lima"}', "question", "nothing"),
        (b'{"question": "q"}', "answer", "nothing"),
        (b'{"question": "  ", "answer": "Lima"}', "question", "a blank text"),
        (
            b'{"question": "q", "answer": []}',
            "answer",
            "an empty list, such as that of a question without an answer",
        ),
        (b'{"question": "q", "answer": ["Lima", ""]}', "answer", "a blank text"),
        (b'{"question": "q", "answer": null}', "answer", "nothing"),
        (b'{"question": "q \\ud800", "answer": "a"}', "question", "half of a character (a lone surrogate)"),
    ],
)
def test_a_wrong_field_is_reported_with_file_line_and_field(
    tmp_path: Path, line: bytes, field: str, found: str
) -> None:
    error = refusal(write(tmp_path, GOOD + b"\n" + line))
    assert isinstance(error, DatasetFieldError)
    assert f"{tmp_path / 'questions.jsonl'}, line 3, field '{field}'" in str(error)
    assert f"Found: {found}\n" in str(error)


def test_a_wrong_field_of_csv_and_parquet_is_reported_with_its_place(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, b'question,answer\n"a\nb",x\nc,\n', "q.csv"))
    assert f"{tmp_path / 'q.csv'}, line 4, field 'answer'" in str(error)
    rows = [*ROWS, {"q": {"text": None}, "answers": ["A"]}]
    assert "questions.parquet, row 3, field 'q.text'" in str(refusal(write_parquet(tmp_path, rows), NESTED))


@pytest.mark.parametrize("line", [b"{", b"[1]", b'"text"', b"\xff\xfe{}", b"question,answer"])
def test_a_line_that_is_no_json_object_is_reported_with_file_and_line(tmp_path: Path, line: bytes) -> None:
    error = refusal(write(tmp_path, GOOD + line + b"\n"))
    assert isinstance(error, DatasetLineError)
    assert f"{tmp_path / 'questions.jsonl'}, line 2\n" in str(error)


@pytest.mark.parametrize(
    ("content", "place", "found"),
    [
        (b"question,answer\na,b\nc,d,e\n", "line 3", "Found: more"),
        (b"question,question,answer\n", "line 1", "question, question, answer"),
        (b"question,answer\na,\xff\n", "line 2", "utf-8"),
        (b'question,answer\na,"b\n', "line 2", "unexpected end"),
    ],
)
def test_a_broken_line_of_csv_is_reported(tmp_path: Path, content: bytes, place: str, found: str) -> None:
    error = refusal(write(tmp_path, content, "q.csv"))
    assert isinstance(error, DatasetLineError)
    assert f"q.csv, {place}\n" in str(error)
    assert found in str(error)


@pytest.mark.parametrize(("name", "content"), [("q.xlsx", GOOD), ("q", GOOD), ("q.parquet", GOOD), ("q.parquet", b"")])
def test_a_file_of_another_format_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert isinstance(refusal(write(tmp_path, content, name)), DatasetFormatError)


@pytest.mark.parametrize("location", ["answers[", "a b", "@@"])
def test_a_location_that_is_neither_column_nor_expression_is_refused(tmp_path: Path, location: str) -> None:
    error = refusal(write(tmp_path, GOOD), Locations(answer=location))
    assert isinstance(error, DatasetLocationError)
    assert repr(location) in str(error)


def test_a_missing_file_and_an_empty_one_are_told_apart(tmp_path: Path) -> None:
    assert isinstance(refusal(tmp_path / "none.jsonl"), DatasetNotFoundError)
    assert isinstance(refusal(write(tmp_path, b"\n  \n")), DatasetEmptyError)
    assert isinstance(refusal(write(tmp_path, b"", "q.csv")), DatasetEmptyError)


def test_a_file_that_does_not_fit_in_memory_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    monkeypatch.setattr("include.evaluation.dataset_source.MAX_BYTES", len(GOOD) - 1)
    assert isinstance(refusal(path), DatasetTooLargeError)
    packed = write_parquet(tmp_path, ROWS)
    monkeypatch.setattr("include.evaluation.dataset_source.MAX_BYTES", 10**6)
    monkeypatch.setattr("include.evaluation.dataset_formats.MAX_UNPACKED_BYTES", 10)
    assert isinstance(refusal(packed, NESTED), DatasetTooLargeError)


def test_parquet_that_says_it_is_small_is_refused_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One long value that a million rows share: 8 kB that the file itself counts as 1 MB."""
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 1_000_000), pyarrow.array(["x" * 1_000_000]))
    parquet.write_table(pyarrow.table({"question": column}), tmp_path / "q.parquet", compression="zstd")
    assert (tmp_path / "q.parquet").stat().st_size < 10_000
    monkeypatch.setattr("include.evaluation.dataset_formats.MAX_UNPACKED_BYTES", 20_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert isinstance(refusal(tmp_path / "q.parquet"), DatasetTooLargeError)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_parquet_that_needs_more_memory_than_allowed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pyarrow.table({"question": [b"x" * 300_000_000]})
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
    parquet.write_table(table, tmp_path / "q.parquet", **options)
    monkeypatch.setattr("include.evaluation.dataset_formats.PARQUET_MEMORY_BYTES", 800_000_000)
    assert read_dataset(write_parquet(tmp_path, ROWS), NESTED).records == RECORDS
    assert isinstance(refusal(tmp_path / "q.parquet"), DatasetFormatError)


def test_parquet_of_very_many_empty_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet.write_table(pyarrow.table({"question": ["q"] * 3000}), tmp_path / "q.parquet")
    monkeypatch.setattr("include.evaluation.dataset_formats.MAX_UNPACKED_BYTES", 500_000)
    assert isinstance(refusal(tmp_path / "q.parquet", Locations("question", "question")), DatasetTooLargeError)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_only_is_called_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    assert isinstance(refusal(write(tmp_path, content, "q.parquet")), DatasetFormatError)


def test_columns_that_are_no_text_stand_beside_the_question(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "a", "day": datetime.date(2026, 1, 2), "image": b"1", "score": float("nan")}]
    path = write_parquet(tmp_path, rows)
    assert read_dataset(path).records == (Record(0, "q", "a"),)
    assert isinstance(refusal(path, Locations("image")), DatasetFieldError)


@pytest.mark.parametrize("categories", [["x" * 201], [str(number) for number in range(1001)]], ids=["long", "many"])
def test_categories_that_would_fill_a_report_are_refused(tmp_path: Path, categories: list[str]) -> None:
    lines = "\n".join(json.dumps({"question": "q", "answer": "a", "category": name}) for name in categories)
    assert isinstance(refusal(write(tmp_path, lines.encode())), DatasetCategoriesError)


def numbered(count: int) -> Dataset:
    return Dataset("d", "1", tuple(Record(index, f"q{index}", "a") for index in range(count)), count)


def test_a_sample_is_drawn_with_its_seed_keeps_the_order_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    whole = numbered(100)
    with caplog.at_level("INFO"):
        drawn = sample(whole, 10, seed=3)
    assert "10 of 100 records, drawn with seed 3" in caplog.text
    assert drawn == sample(whole, 10, seed=3) != sample(whole, 10, seed=4)
    assert (len(drawn.records), drawn.file_records) == (10, 100)
    indexes = [record.index for record in drawn.records]
    assert indexes == sorted(set(indexes))


@pytest.mark.parametrize("count", [None, 100, 500])
def test_nothing_is_drawn_unless_asked_for(count: int | None) -> None:
    assert sample(numbered(100), count, seed=3) == numbered(100)


OPEN_ORCA = [
    {"id": "flan.1", "system_prompt": "You are brief.", "question": "Capital of Peru?", "response": "Lima"},
    {"id": "flan.2", "system_prompt": None, "question": "Capital of Chile?", "response": "Santiago"},
]
SQUAD = [
    {
        "context": "Lima is in Peru.",
        "question": "Where?",
        "answers": {"text": ["Peru", "in Peru"], "answer_start": [11]},
    }
]
CHAT = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Capital of Peru?"},
            {"role": "assistant", "content": "Lima"},
        ]
    }
]
COMPLETION = [{"prompt": "Capital of Peru?", "completion": "Lima"}]


@pytest.mark.parametrize(
    ("rows", "locations", "question", "answer"),
    [
        (
            OPEN_ORCA,
            Locations("join(`\"\\n\"`, [not_null(system_prompt, ''), question])", "response"),
            "You are brief.\nCapital of Peru?",
            "Lima",
        ),
        (SQUAD, Locations("question", "answers.text"), "Where?", "Peru<OR>in Peru"),
        (
            SQUAD,
            Locations('join(`"\\n"`, [context, question])', "answers.text"),
            "Lima is in Peru.\nWhere?",
            "Peru<OR>in Peru",
        ),
        (
            CHAT,
            Locations("messages[?role=='user'] | [-1].content", "messages[-1].content"),
            "Capital of Peru?",
            "Lima",
        ),
        (COMPLETION, Locations("prompt", "completion"), "Capital of Peru?", "Lima"),
    ],
    ids=["OpenOrca", "SQuAD", "SQuAD with context", "chat", "prompt and completion"],
)
@pytest.mark.parametrize("name", ["q.jsonl", "q.json", "q.jsonl.gz", "q.json.gz"])
def test_data_sets_are_read_in_the_forms_that_people_have(
    tmp_path: Path, rows: list[dict[str, Any]], locations: Locations, question: str, answer: str, name: str
) -> None:
    lines = "\n".join(map(json.dumps, rows)) if "jsonl" in name else json.dumps(rows)
    content = gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode()
    records = read_dataset(write(tmp_path, content, name), locations).records
    assert (records[0].question, records[0].answer) == (question, answer)
    assert len(records) == len(rows)


def test_a_field_that_is_null_inside_an_expression_is_reported_with_its_line_and_what_to_write(tmp_path: Path) -> None:
    content = "\n".join(map(json.dumps, OPEN_ORCA)).encode()
    error = refusal(write(tmp_path, content), Locations('join(`"\\n"`, [system_prompt, question])', "response"))
    assert isinstance(error, DatasetFieldError)
    assert "line 2" in str(error)
    assert "not_null(field, '')" in str(error)


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"question": "2 + 2?", "answer": 4}', Record(0, "2 + 2?", "4")),
        (b'{"question": "Pi?", "answer": [3.14, "3.1"]}', Record(0, "Pi?", "3.14<OR>3.1")),
        (b'{"question": "q", "answer": "a", "category": 3}', Record(0, "q", "a", "3")),
        (b'{"question": "q", "answer": "a", "category": ["x", "y"]}', Record(0, "q", "a")),
    ],
)
def test_numbers_are_read_as_text_and_tags_are_no_category(tmp_path: Path, line: bytes, record: Record) -> None:
    assert read_dataset(write(tmp_path, line)).records == (record,)


@pytest.mark.parametrize(
    "content",
    [
        "question,answer\r\nq,a\r\n,\r\n,\r\n".encode("utf-8-sig"),
        "question;answer\r\nq;a\r\n".encode("utf-8-sig"),
        b"question\tanswer\nq\ta\n",
        ("question,answer,article\nq,a," + "x" * 140_000).encode(),
    ],
    ids=["empty rows", "semicolons", "tabs", "a long column that is not used"],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, content: bytes) -> None:
    assert read_dataset(write(tmp_path, content, "q.csv")).records == (Record(0, "q", "a"),)


def test_parquet_with_times_in_nanoseconds_is_read(tmp_path: Path) -> None:
    at = pyarrow.array([1_234_567_891], pyarrow.timestamp("ns"))
    parquet.write_table(pyarrow.table({"question": ["q"], "answer": ["a"], "at": at}), tmp_path / "q.parquet")
    assert read_dataset(tmp_path / "q.parquet").records == (Record(0, "q", "a"),)


def test_a_file_that_only_is_called_gzip_is_refused(tmp_path: Path) -> None:
    assert isinstance(refusal(write(tmp_path, GOOD, "q.jsonl.gz")), DatasetFormatError)
