"""The first pass over training data: every record is looked at, and those to use are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from include.config.training import TrainingConfig
from include.evaluation.dataset import Dataset
from include.training.conversations import Conversation
from include.training.data_report import RecordCounts
from include.training.duplicates import DuplicateFinder
from include.training.errors import LeakageError, NothingSelectedError
from include.training.leakage import LeakageFinder
from include.training.progress import Report, StageProgress
from include.training.records import RecordReader
from include.training.selection import Draw
from include.training.shingles import shingles
from include.training.spool import Spool

T = TypeVar("T")
Marks = npt.NDArray[np.bool_]
BATCH_RECORDS = 1000
_SHOWN_LEAKS = 3
_SHOWN_CHARACTERS = 80


class Gathered(NamedTuple):
    """Which of the spool's records are used and which are held out, and the counts of the others."""

    used: Marks
    held_out: Marks
    counts: RecordCounts


class _Notes:
    """What is remembered of every record."""

    def __init__(self, training: TrainingConfig, evaluations: Sequence[Dataset]) -> None:
        self.duplicates = DuplicateFinder()
        self.draw = Draw(training.seed)
        self._leakage = LeakageFinder(record.question for dataset in evaluations for record in dataset.records)
        self.leaked: list[int] = []
        self.leaks: list[str] = []
        self._count = 0

    def take(self, batch: Sequence[Conversation]) -> None:
        """Look at these records."""
        runs = shingles([conversation.text for conversation in batch])
        self.duplicates.add(batch, runs)
        self.draw.add(batch)
        for index, question in enumerate(self._leakage.find(batch, runs)):
            if question is not None:
                self.leaked.append(self._count + index)
                self._show(batch[index].place, question)
        self._count += len(batch)

    def _show(self, place: str, question: str) -> None:
        if len(self.leaks) < _SHOWN_LEAKS:
            self.leaks.append(f"{place}: {question[:_SHOWN_CHARACTERS]!r}")


def gather(
    records: RecordReader,
    spool: Spool,
    training: TrainingConfig,
    evaluations: Sequence[Dataset],
    check: Callable[[Sequence[Conversation]], None],
    report: Report,
) -> Gathered:
    """Write all records to the spool, and choose those to use.

    Args:
        records: the data.
        spool: an empty one.
        training: what decides which are used.
        evaluations: the data sets whose questions must not be trained.
        check: is called with the first records, and may refuse to go on.
        report: is called with lines about the progress.

    Raises:
        LeakageError: their questions are among them, and ``training.leakage`` is refuse.
        NothingSelectedError: no record is left; also what iterating ``records`` raises.
    """
    notes = _Notes(training, evaluations)
    _read(records, spool, notes, check, StageProgress(report, "Reading", "rows"))
    if not len(spool):
        found = f"{records.rows:,} rows, {records.not_selected:,} not selected, {records.blank:,} blank"
        raise NothingSelectedError(training.data, found)
    if notes.leaked and training.leakage == "refuse":
        asked = " or ".join(dict.fromkeys(dataset.uri for dataset in evaluations))
        raise LeakageError(training.data, asked, len(notes.leaked), tuple(notes.leaks))
    return _chosen(records, spool, training, notes)


def _read(
    records: RecordReader,
    spool: Spool,
    notes: _Notes,
    check: Callable[[Sequence[Conversation]], None],
    progress: StageProgress,
) -> None:
    for batch in batches(records, BATCH_RECORDS):
        if not len(spool):
            check(batch)
        notes.take(batch)
        spool.add(batch)
        progress.update(records.rows)
    progress.finish(records.rows)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of this size; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _chosen(records: RecordReader, spool: Spool, training: TrainingConfig, notes: _Notes) -> Gathered:
    leaked = np.zeros(len(spool), np.bool_)
    leaked[notes.leaked] = True
    clean = ~leaked if training.leakage == "drop" else np.ones(len(spool), np.bool_)
    exact = clean & notes.duplicates.exact()
    near = notes.duplicates.near(exact, spool.read)
    used = notes.draw.drawn(near, training.max_examples)
    left = [int(marks.sum()) for marks in (clean, exact, near, used)]
    counts = RecordCounts(
        rows=records.rows,
        not_selected=records.not_selected,
        blank=records.blank,
        leaked_dropped=len(spool) - left[0],
        exact_duplicates=left[0] - left[1],
        near_duplicates=left[1] - left[2],
        not_drawn=left[2] - left[3],
        used=left[3],
        leaked_kept=int((leaked & near).sum()),
    )
    if not left[3]:
        raise NothingSelectedError(training.data, f"{records.rows:,} rows, all of them left out")
    return Gathered(used, notes.draw.held_out(training.held_out), counts)
