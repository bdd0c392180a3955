"""Read the records of a training data set, from a folder or from S3, a few at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from include.aws.s3_uri import is_s3_uri
from include.aws.transient import error_code
from include.checkpoint.errors import SourceUnreadableError
from include.checkpoint.files.reading import UriReader
from include.config.account import AccountConfig
from include.config.training import Format
from include.evaluation.dataset_formats import Row, read_rows
from include.evaluation.dataset_source import ABSENT_CODES
from include.evaluation.errors import DatasetNotFoundError, DatasetUnreadableError
from include.run.local_paths import local_path
from include.sources.errors import ClientMissingError, SourceFileChangedError
from include.sources.object_stream import ObjectStream
from include.sources.patient_reader import PatientReader
from include.sources.rate import RateLimit
from include.training.conversations import Conversation
from include.training.errors import SelectionError
from include.training.formats import read_conversation

#: What a data set may unpack to, on the disk. A million records of OpenOrca are 2 GB.
MAX_UNPACKED_BYTES = 50_000_000_000
_READ_SIZE = 4 * 2**20


class TrainingFile(NamedTuple):
    """A data set's file, open at its start: what it is called, and the SHA-256 of its content."""

    uri: str
    digest: str
    file: BinaryIO


@contextmanager
def open_training_file(data: str, account: AccountConfig, s3: Any, folder: Path) -> Iterator[TrainingFile]:
    """Open a data set; an object in S3 is first fetched to ``folder``, and removed from it at the end.

    Raises:
        LocalPathOutsideError: it is a file that may not be read.
        DatasetNotFoundError: there is no such file or object.
        DatasetUnreadableError: it cannot be read; S3RequestError and SourceChangedError for an object.
        SourceFileChangedError: the file was written to meanwhile.
    """
    path = _fetched(data, account, s3, folder / "data") if is_s3_uri(data) else local_path(data, account)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise DatasetNotFoundError(data) from None
    except OSError as error:
        raise DatasetUnreadableError(data, str(error)) from error
    try:
        with file:
            state = _state(path)
            digest = _digest(data, file)
            yield TrainingFile(data, digest, file)
            if _state(path) != state:
                raise SourceFileChangedError(data, *map(str, (state, _state(path))))
    finally:
        if is_s3_uri(data):
            path.unlink()


class RecordReader:
    """The conversations of a data set, in its order; counts the rows that are not among them.

    Iterating raises what ``read_rows`` and ``read_conversation`` raise, and SelectionError where ``select`` fails.
    """

    def __init__(self, opened: TrainingFile, data_format: Format, select: str | None) -> None:
        self._opened, self._format = opened, data_format
        self._selection = Selection(opened.uri, select) if select else None
        self.rows = self.not_selected = self.blank = 0

    def __iter__(self) -> Iterator[Conversation]:
        for row in read_rows(self._opened.uri, self._opened.file, MAX_UNPACKED_BYTES):
            self.rows += 1
            if self._selection and not self._selection.takes(row):
                self.not_selected += 1
            elif conversation := read_conversation(self._opened.uri, self._format, row):
                yield conversation
            else:
                self.blank += 1


class Selection:
    """Applies a JMESPath expression to rows."""

    def __init__(self, uri: str, expression: str) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        self._uri, self._text, self._failure = uri, expression, JMESPathError
        self._expression = jmespath.compile(expression)

    def takes(self, row: Row) -> bool:
        """Return whether the expression's value is true: in JMESPath, anything but null, false and what is empty.

        Raises:
            SelectionError: it cannot be evaluated.
        """
        try:
            value = self._expression.search(row.values)
        except self._failure as error:
            found = str(error).partition("\n")[0]
            raise SelectionError(f"{self._uri}, {row.place}", self._text, found) from error
        return value is not None and value is not False and (not hasattr(value, "__len__") or len(value) > 0)


def _fetched(uri: str, account: AccountConfig, s3: Any, path: Path) -> Path:
    if s3 is None:
        raise ClientMissingError(uri, "S3")
    try:
        pin = PatientReader(UriReader(s3)).pin(uri)
        ObjectStream(s3, pin, RateLimit(account.bytes_per_second)).download(path)
    except SourceUnreadableError as error:
        if error_code(error.__cause__ or error) in ABSENT_CODES:
            raise DatasetNotFoundError(uri) from error
        raise DatasetUnreadableError(uri, error.found) from error
    return path


def _digest(uri: str, file: BinaryIO) -> str:
    digest = hashlib.sha256()
    try:
        while piece := file.read(_READ_SIZE):
            digest.update(piece)
        file.seek(0)
    except OSError as error:  # such as a folder
        raise DatasetUnreadableError(uri, str(error)) from error
    return digest.hexdigest()


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
