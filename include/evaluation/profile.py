"""What a data set holds, in a few figures: to see at a glance whether the right thing will be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

MOST_CATEGORIES = 10
_GSM8K_MARK = "#### "


class Questioned(Protocol):
    """What a record of a data set and the result of one have in common."""

    @property
    def question(self) -> str:
        """The question."""
        ...

    @property
    def accepted_answers(self) -> tuple[str, ...]:
        """The answers that count as right."""
        ...

    @property
    def category(self) -> str | None:
        """The category, if there is one."""
        ...


@dataclass(frozen=True)
class Profile:
    """Figures of records; lengths are in characters: the median and the longest.

    ``repeated`` counts records whose question came before, ``contradicting`` those of them with other answers.
    """

    records: int
    categories: tuple[tuple[str, int], ...]
    uncategorised: int
    question_length: tuple[int, int]
    answer_length: tuple[int, int]
    repeated: int
    contradicting: int
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the figures as text of one line."""
        return ", ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        yield f"{self.records} record{'' if self.records == 1 else 's'}"
        if self.categories:
            shown = ", ".join(f"{name} {count}" for name, count in self.categories[:MOST_CATEGORIES])
            more = ", ..." if len(self.categories) > MOST_CATEGORIES else ""
            yield f"{len(self.categories)} categor{'y' if len(self.categories) == 1 else 'ies'} ({shown}{more})"
            if self.uncategorised:
                yield f"{self.uncategorised} without a category"
        else:
            yield "no categories"
        yield "questions of {} characters (longest {})".format(*self.question_length)
        yield "answers of {} (longest {})".format(*self.answer_length)
        if self.repeated:
            yield f"{self.repeated} repeat a question, {self.contradicting} of them with other answers"


def profile(records: Sequence[Questioned]) -> Profile:
    """Return the profile of records; there is at least one."""
    categories = Counter(record.category for record in records)
    uncategorised = categories.pop(None, 0)
    answers = [answer for record in records for answer in record.accepted_answers]
    repeated, contradicting = _repetitions(records)
    return Profile(
        records=len(records),
        categories=tuple(categories.most_common()),  # type: ignore[arg-type]  # None was removed
        uncategorised=uncategorised,
        question_length=_lengths([record.question for record in records]),
        answer_length=_lengths(answers),
        repeated=repeated,
        contradicting=contradicting,
        warnings=tuple(_suspicions(answers)),
    )


def _lengths(texts: Sequence[str]) -> tuple[int, int]:
    lengths = [len(text) for text in texts]
    return int(median(lengths)), max(lengths)


def _repetitions(records: Sequence[Questioned]) -> tuple[int, int]:
    """Return how many records repeat an earlier question, and how many of these accept other answers."""
    seen: dict[str, tuple[str, ...]] = {}
    repeated = contradicting = 0
    for record in records:
        if record.question in seen:
            repeated += 1
            contradicting += seen[record.question] != record.accepted_answers
        else:
            seen[record.question] = record.accepted_answers
    return repeated, contradicting


def _suspicions(answers: Sequence[str]) -> Iterator[str]:
    """Yield what answers of well-known data sets look like when they are taken from the wrong place."""
    marked = sum(_GSM8K_MARK in answer for answer in answers)
    if marked:
        yield f"{marked} answers hold {_GSM8K_MARK!r}, GSM8K's mark: set answer_location to after(answer, '####')"
    if len(answers) > 1 and all(answer in {"0", "1", "2", "3", "4"} for answer in answers):
        yield (
            "all answers are numbers from 0 to 4: where they are indices into a list of choices, "
            "set answer_location to item(choices, answer)"
        )
