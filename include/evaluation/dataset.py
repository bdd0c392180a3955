"""Reads a question-answering data set from JSON Lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.evaluation.errors import (
    DatasetEmptyError,
    DatasetFieldError,
    DatasetLineError,
    DatasetNotFoundError,
)
from include.evaluation.qa_accuracy import ALTERNATIVES_DELIMITER


@dataclass(frozen=True)
class Record:
    """A question with its accepted answers (``<OR>`` between several); ``index`` counts from 0."""

    index: int
    question: str
    answer: str
    category: str | None = None

    @property
    def accepted_answers(self) -> tuple[str, ...]:
        """The answers that count as right."""
        return tuple(self.answer.split(ALTERNATIVES_DELIMITER))

    @property
    def digest(self) -> str:
        """SHA-256 of the record's content, whatever its place in the data set."""
        content = json.dumps([self.question, self.answer, self.category], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Records, where they were read from, and the SHA-256 of the file's content."""

    uri: str
    digest: str
    records: tuple[Record, ...]


def read_dataset(path: Path) -> Dataset:
    """Return the records of the JSON Lines file ``path``: ``question`` and ``answer``, and ``category`` if given.

    Raises:
        DatasetNotFoundError: there is no such file.
        DatasetLineError: a line is not a JSON object.
        DatasetFieldError: a field is missing, blank or not a text.
        DatasetEmptyError: the file has no record.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatasetNotFoundError(str(path)) from None
    rows = _rows(str(path), content)
    records = tuple(_record(str(path), index, line, row) for index, (line, row) in enumerate(rows))
    if not records:
        raise DatasetEmptyError(str(path))
    return Dataset(uri=str(path), digest=hashlib.sha256(content).hexdigest(), records=records)


def _rows(path: str, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number (from 1) and object of every line that is not blank."""
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DatasetLineError(path, number, str(error)) from error
        if not isinstance(row, dict):
            raise DatasetLineError(path, number, type(row).__name__)
        yield number, row


def _record(path: str, index: int, line: int, row: dict[str, Any]) -> Record:
    return Record(
        index=index,
        question=_text(path, line, row, "question"),
        answer=_text(path, line, row, "answer"),
        category=None if row.get("category") is None else _text(path, line, row, "category"),
    )


def _text(path: str, line: int, row: dict[str, Any], field: str) -> str:
    value = row.get(field)
    if isinstance(value, str) and value.strip():
        return value
    found = "nothing" if field not in row else "a blank text" if isinstance(value, str) else type(value).__name__
    raise DatasetFieldError(path, line, field, found)
