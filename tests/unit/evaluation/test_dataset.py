from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest

from include.errors import ModelImportError
from include.evaluation.dataset import Record, read_dataset
from include.evaluation.errors import (
    DatasetEmptyError,
    DatasetFieldError,
    DatasetLineError,
    DatasetNotFoundError,
)

GOOD = b'{"question": "Capital of Peru?", "answer": "Lima", "category": "South America"}\n'


def write(folder: Path, content: bytes) -> Path:
    path = folder / "questions.jsonl"
    path.write_bytes(content)
    return path


def refusal(path: Path) -> ModelImportError:
    with pytest.raises(ModelImportError) as refused:
        read_dataset(path)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    return refused.value


def test_records_keep_their_order_and_the_file_its_digest(tmp_path: Path) -> None:
    content = GOOD + b'\n{"question": "Who?", "answer": "A<OR>B", "source": "ours"}'
    dataset = read_dataset(write(tmp_path, content))
    assert dataset.records == (
        Record(0, "Capital of Peru?", "Lima", "South America"),
        Record(1, "Who?", "A<OR>B", None),
    )
    assert dataset.uri == str(tmp_path / "questions.jsonl")
    assert dataset.digest == hashlib.sha256(content).hexdigest()


def test_a_record_has_the_same_digest_wherever_it_stands() -> None:
    assert Record(0, "q", "a", "c").digest == Record(7, "q", "a", "c").digest
    others = (Record(0, "q", "b", "c"), Record(0, "p", "a", "c"), Record(0, "q", "a"), Record(0, "qa", "", "c"))
    assert Record(0, "q", "a", "c").digest not in {other.digest for other in others}


@pytest.mark.parametrize(
    ("line", "field", "found"),
    [
        (b'{"answer": "Lima"}', "question", "nothing"),
        (b'{"question": "q"}', "answer", "nothing"),
        (b'{"question": "  ", "answer": "Lima"}', "question", "a blank text"),
        (b'{"question": "q", "answer": 7}', "answer", "int"),
        (b'{"question": "q", "answer": ["Lima"]}', "answer", "list"),
        (b'{"question": "q", "answer": null}', "answer", "NoneType"),
        (b'{"question": "q", "answer": "a", "category": 3}', "category", "int"),
    ],
)
def test_a_wrong_field_is_reported_with_file_line_and_field(
    tmp_path: Path, line: bytes, field: str, found: str
) -> None:
    error = refusal(write(tmp_path, GOOD + b"\n" + line))
    assert isinstance(error, DatasetFieldError)
    assert f"{tmp_path / 'questions.jsonl'}, line 3, field '{field}'" in str(error)
    assert f"found {found}." in str(error)


@pytest.mark.parametrize("line", [b"{", b"[1]", b'"text"', b"\xff\xfe{}", b"question,answer"])
def test_a_line_that_is_no_json_object_is_reported_with_file_and_line(tmp_path: Path, line: bytes) -> None:
    error = refusal(write(tmp_path, GOOD + line + b"\n"))
    assert isinstance(error, DatasetLineError)
    assert f"{tmp_path / 'questions.jsonl'}, line 2;" in str(error)


def test_a_missing_file_and_an_empty_one_are_told_apart(tmp_path: Path) -> None:
    assert isinstance(refusal(tmp_path / "none.jsonl"), DatasetNotFoundError)
    assert isinstance(refusal(write(tmp_path, b"\n  \n")), DatasetEmptyError)
