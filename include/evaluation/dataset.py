"""Read a question-answering data set (JSON Lines, JSON, CSV or Parquet) from a folder or from S3."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from include.evaluation.dataset_formats import Row, read_rows
from include.evaluation.dataset_source import read_bytes
from include.evaluation.errors import DatasetCategoriesError, DatasetEmptyError, DatasetFieldError, DatasetLocationError
from include.evaluation.qa_accuracy import ALTERNATIVES_DELIMITER

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)
#: Reports, approval requests and notices name categories; a record belongs to one of a few kinds.
MAX_CATEGORIES = 1000
MAX_CATEGORY_LENGTH = 200


@dataclass(frozen=True)
class Record:
    """A question with its accepted answers (``<OR>`` between several); ``index`` counts from 0.

    ``columns`` are further values for metrics, by the location that names them; None where there is none.
    """

    index: int
    question: str
    answer: str
    category: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def accepted_answers(self) -> tuple[str, ...]:
        """The answers that are accepted as correct."""
        return tuple(self.answer.split(ALTERNATIVES_DELIMITER))

    @property
    def digest(self) -> str:
        """SHA-256 of the record's content, independent of its position in the data set."""
        content = json.dumps([self.question, self.answer, self.category], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """The records, their location, the SHA-256 of the file's content and its total number of records."""

    uri: str
    digest: str
    records: tuple[Record, ...]
    file_records: int


@dataclass(frozen=True)
class Locations:
    """Where question, answer and category are: column names or JMESPath expressions (https://jmespath.org).

    So are further ``columns`` that metrics read. FMEval's DataConfig calls the first three model_input_location,
    target_output_location and category_location.
    """

    question: str = "question"
    answer: str = "answer"
    category: str = "category"
    columns: tuple[str, ...] = ()


def read_dataset(place: str | Path, locations: Locations = Locations(), s3: Any = None) -> Dataset:
    """Return the records of the data set at ``place``, a path or an ``s3://`` URI; its extension determines the format.

    Several accepted answers are a list, or one text with ``<OR>`` between them. A category may be missing.

    Args:
        place: the file; a relative path is taken from the working directory.
        locations: where question, answer, category and further columns are in a line.
        s3: an S3 client, needed for an ``s3://`` URI.

    Raises:
        DatasetNotFoundError: there is no such file or object.
        DatasetUnreadableError: S3 refuses to give it.
        DatasetTooLargeError: it is larger than what fits in a worker's memory.
        DatasetFormatError: its ending or its content is of no known format.
        DatasetLineError: a line is not a record.
        DatasetLocationError: a location is not a JMESPath expression.
        DatasetFieldError: a field is missing, blank or not a text.
        DatasetCategoriesError: a category's name is long, or there are many.
        DatasetEmptyError: the file has no record.
    """
    uri = str(place)
    content = read_bytes(uri, s3)
    finders = [_Finder(uri, location) for location in (locations.question, locations.answer, locations.category)]
    further = [_Finder(uri, location) for location in locations.columns]
    rows = read_rows(uri, io.BytesIO(content))
    records = tuple(
        replace(_record(uri, index, row, *finders), columns={finder.location: finder(row) for finder in further})
        for index, row in enumerate(rows)
    )
    if not records:
        raise DatasetEmptyError(uri)
    _refuse_large_categories(uri, {record.category for record in records if record.category})
    return Dataset(uri, hashlib.sha256(content).hexdigest(), records, len(records))


def _refuse_large_categories(uri: str, categories: Collection[str]) -> None:
    if len(categories) > MAX_CATEGORIES:
        raise DatasetCategoriesError(uri, f"at most {MAX_CATEGORIES} categories", f"{len(categories)}")
    longest = max(categories, key=len, default="")
    if len(longest) > MAX_CATEGORY_LENGTH:
        found = f"one of {len(longest)} characters: {longest[:40]!r}..."
        raise DatasetCategoriesError(uri, f"names of at most {MAX_CATEGORY_LENGTH} characters", found)


def sample(dataset: Dataset, count: int | None, seed: int) -> Dataset:
    """Return the data set with ``count`` of its records, drawn with ``seed`` and left in their order.

    Without a count, or with fewer records than that, nothing is drawn.
    """
    if count is None or count >= len(dataset.records):
        return dataset
    drawn = sorted(random.Random(seed).sample(range(len(dataset.records)), count))
    log.info("Only a sample is asked: %d of %d records, drawn with seed %d", count, len(dataset.records), seed)
    return replace(dataset, records=tuple(dataset.records[index] for index in drawn))


def record_ids(records: Sequence[Record]) -> Iterator[str]:
    """Yield a short id for each record, derived from its content; repeated records get a number."""
    seen: Counter[str] = Counter()
    for record in records:
        name = record.digest[:16]
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


class _Finder:
    """Finds a value in a row: the column of that very name, else what the JMESPath expression selects."""

    def __init__(self, uri: str, location: str) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        from include.evaluation.location_functions import options

        self._options = options()
        self._uri, self.location, self._found, self._failure = uri, location, "", JMESPathError
        try:
            self._expression = jmespath.compile(location)
        except JMESPathError as error:  # it may still be the name of a column
            self._found = str(error).splitlines()[0]

    def __call__(self, row: Row) -> Any:
        place, values = row
        if self.location in values:
            return values[self.location]
        if self._found:
            raise DatasetLocationError(self._uri, self.location, self._found)
        try:
            return self._expression.search(values, self._options)
        except self._failure as error:  # such as join() of a value that is null
            raise DatasetFieldError(self._uri, place, self.location, str(error).partition("\n")[0]) from error


def _record(uri: str, index: int, row: Row, question: _Finder, answer: _Finder, category: _Finder) -> Record:
    return Record(
        index=index,
        question=_text(uri, row, question.location, question(row)),
        answer=_answers(uri, row, answer.location, answer(row)),
        category=_category(uri, row, category.location, category(row)),
    )


def _category(uri: str, row: Row, location: str, value: Any) -> str | None:
    """Return the category, or nothing when the field ``category`` holds a list of tags."""
    tags = isinstance(value, list | dict) and location == Locations.category
    return None if tags or value in (None, "") else _text(uri, row, location, value)


def _answers(uri: str, row: Row, location: str, value: Any) -> str:
    if not isinstance(value, list) or not value:
        return _text(uri, row, location, value)
    return ALTERNATIVES_DELIMITER.join(_text(uri, row, location, one) for one in value)


def _text(uri: str, row: Row, location: str, value: Any) -> str:
    if isinstance(value, int | float):  # such as a ClassLabel, or an answer that is a number
        return json.dumps(value)
    if isinstance(value, str) and value.strip():
        if has_surrogates(value):
            raise DatasetFieldError(uri, row.place, location, "half of a character (a lone surrogate)")
        return value
    raise DatasetFieldError(uri, row.place, location, _describe(value))


def _describe(value: Any) -> str:
    """Return what stands in the place of a text."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "a blank text"
    if value == []:
        return "an empty list, such as that of a question without an answer"
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, list(value)[:5])) or 'nothing in it'}"
    return type(value).__name__


def has_surrogates(text: str) -> bool:
    """Return whether the text holds lone surrogates, which JSON can escape but UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
