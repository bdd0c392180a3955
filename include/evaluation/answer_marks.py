"""A person's marks of single answers: read from the text of a form, and stored beside the evaluation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict

from include.errors import ModelImportError
from include.evaluation.results import EvaluationReport, RecordResult
from include.evaluation.storage import read_model, write_model

Mark = Literal["right", "wrong", "unsure"]
MARKS: tuple[Mark, ...] = get_args(Mark)
#: In the order in which they are counted in a sentence.
_COUNTED: tuple[Mark, ...] = ("wrong", "right", "unsure")
MOST_MARKS, LONGEST_NOTE, LONGEST_TEXT = 100, 300, 10_000
_LINE = re.compile(r"#?\s*(?P<number>[0-9]{1,9})\s*[:,]?\s+(?P<mark>[a-z]+)\s*(?:[:,]\s*(?P<note>.*))?", re.IGNORECASE)
_EXPECTED = "a line per answer: its number in the report, right, wrong or unsure, and a note after a colon"


class MarksInvalidError(ModelImportError):
    """The marks of answers cannot be read, or name an answer that the version did not give."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "The marked answers cannot be used",
            expected=f"{_EXPECTED}, as in '17 wrong: the capital is Canberra'",
            found="; ".join(problems),
            remedy="The version keeps waiting: clear approve_promotion, and answer again.",
        )


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnswerMark(_Block):
    """A person's mark of one answer; ``number`` is that in the report, its place in the data set from 1 on."""

    number: int
    mark: Mark
    note: str = ""


class MarkedAnswer(_Block):
    """A mark, the answer that it is about, and who gave it when."""

    record_id: str
    number: int
    question: str
    answer: str
    mark: Mark
    note: str = ""
    by: str
    at: AwareDatetime

    @property
    def text(self) -> str:
        """The mark as people read it."""
        return f"marked {self.mark} by {self.by}" + (f": {self.note}" if self.note else "")


class AnswerMarks(_Block):
    """The marks of a version's answers: the latest of each record, in the order of the data set."""

    schema_version: Literal[1] = 1
    marks: tuple[MarkedAnswer, ...] = ()


NO_MARKS = AnswerMarks()


def parse_marks(text: str, most_number: int) -> tuple[AnswerMark, ...]:
    """Return the marks that a form's text names; empty lines do not count.

    Args:
        text: what a person wrote.
        most_number: the largest number that an answer has.

    Raises:
        MarksInvalidError: names every line that is not one mark of one answer.
    """
    if len(text) > LONGEST_TEXT:
        raise MarksInvalidError([f"{len(text)} characters, at most {LONGEST_TEXT}"])
    found: dict[int, AnswerMark] = {}
    problems = []
    for place, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        mark = _parsed(line.strip(), most_number)
        if isinstance(mark, str):
            problems.append(f"line {place}: {mark}")
        elif mark.number in found:
            problems.append(f"line {place}: answer {mark.number} is marked twice")
        else:
            found[mark.number] = mark
    if len(found) > MOST_MARKS:
        problems.append(f"{len(found)} marks, at most {MOST_MARKS}")
    if problems:
        raise MarksInvalidError(problems)
    return tuple(found.values())


def _parsed(line: str, most_number: int) -> AnswerMark | str:
    """Return the mark of a line, or what is wrong with it."""
    parts = _LINE.fullmatch(line)
    if parts is None:
        return repr(line[:80])
    number, mark, note = int(parts["number"]), parts["mark"].lower(), (parts["note"] or "").strip()
    if not 1 <= number <= most_number:
        return f"there is no answer {number}, the data set has {most_number} records"
    if mark not in MARKS:
        return f"{mark!r} is none of {', '.join(MARKS)}"
    if len(note) > LONGEST_NOTE:
        return f"the note has {len(note)} characters, at most {LONGEST_NOTE}"
    return AnswerMark(number=number, mark=mark, note=note)


def marked_answers(
    marks: Iterable[AnswerMark], results: Iterable[RecordResult], by: str, at: AwareDatetime
) -> tuple[MarkedAnswer, ...]:
    """Return the marks with the answers that they are about.

    Raises:
        MarksInvalidError: a number is not that of a record that was asked.
    """
    known = {result.index + 1: result for result in results}
    marks = list(marks)
    if absent := [mark.number for mark in marks if mark.number not in known]:
        raise MarksInvalidError([f"record {number} was not asked, only a sample was" for number in absent])
    return tuple(
        MarkedAnswer(
            record_id=known[mark.number].record_id,
            question=known[mark.number].question,
            answer=known[mark.number].answer,
            by=by,
            at=at,
            **mark.model_dump(),
        )
        for mark in marks
    )


def count_marks(marks: Iterable[AnswerMark | MarkedAnswer]) -> str:
    """Return how many answers are marked as what, as part of a sentence; an empty text without any."""
    counts = Counter(mark.mark for mark in marks)
    found = [f"{counts[mark]} {mark}" for mark in _COUNTED if counts[mark]]
    return f"answers marked {', '.join(found)}" if found else ""


def marks_uri(report: EvaluationReport) -> str:
    """Return where the marks of an evaluation's answers are kept: beside its records."""
    return f"{report.records_uri.removesuffix('.records.jsonl')}.marks.json"


def read_marks(s3: Any, report: EvaluationReport) -> AnswerMarks:
    """Return the marks of an evaluation's answers."""
    return read_model(s3, marks_uri(report), AnswerMarks) or NO_MARKS


def add_marks(s3: Any, report: EvaluationReport, marks: Iterable[MarkedAnswer]) -> None:
    """Add marks to those that are stored; a later one of the same record replaces the earlier one.

    The caller holds the lease on the model's versions, so no other process writes this object at the same time.
    """
    latest = {mark.record_id: mark for mark in (*read_marks(s3, report).marks, *marks)}
    ordered = sorted(latest.values(), key=lambda mark: mark.number)
    write_model(s3, marks_uri(report), AnswerMarks(marks=tuple(ordered)))
