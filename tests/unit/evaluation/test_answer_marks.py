from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.evaluation.answer_marks import (
    MARKS,
    MOST_MARKS,
    AnswerMark,
    Mark,
    MarksInvalidError,
    count_marks,
    marked_answers,
    parse_marks,
)
from tests.support.record_results import record_result

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("17 wrong", (17, "wrong", "")),
        ("#17 wrong: the capital is Canberra", (17, "wrong", "the capital is Canberra")),
        ("  17: Right ", (17, "right", "")),
        ("17, UNSURE, ask Ann: or Bob", (17, "unsure", "ask Ann: or Bob")),
        ("# 1 wrong:", (1, "wrong", "")),
    ],
)
def test_a_line_is_a_number_a_mark_and_perhaps_a_note(line: str, expected: tuple[int, Mark, str]) -> None:
    [found] = parse_marks(line, 120)
    assert (found.number, found.mark, found.note) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("wrong", "line 1: 'wrong'"),
        ("17", "line 1: '17'"),
        ("17 bad", "line 1: 'bad' is none of right, wrong, unsure"),
        ("17 wrong the capital is Canberra", "line 1: '17 wrong the capital"),
        ("0 wrong", "there is no answer 0"),
        ("121 wrong", "there is no answer 121, the data set has 120 records"),
        ("17 wrong\n\n#17 right", "line 3: answer 17 is marked twice"),
        (f"17 wrong: {'x' * 301}", "the note has 301 characters, at most 300"),
        ("9" * 30 + " wrong", "line 1"),
        ("1 wrong\n" * 2000, "16000 characters, at most 10000"),
    ],
)
def test_a_line_that_is_not_one_mark_is_named(text: str, problem: str) -> None:
    with pytest.raises(MarksInvalidError) as raised:
        parse_marks(text, 120)
    assert problem in str(raised.value)


def test_every_wrong_line_is_named_at_once() -> None:
    with pytest.raises(MarksInvalidError) as raised:
        parse_marks("a\n1 wrong\nb", 120)
    assert "line 1: 'a'; line 3: 'b'" in str(raised.value)


def test_no_more_than_a_hundred_answers_are_marked_at_a_time() -> None:
    text = "\n".join(f"{number} wrong" for number in range(1, MOST_MARKS + 1))
    assert len(parse_marks(text, 500)) == MOST_MARKS
    with pytest.raises(MarksInvalidError, match="101 marks"):
        parse_marks(f"{text}\n400 wrong", 500)


NOTES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)


@given(st.dictionaries(st.integers(1, 500), st.tuples(st.sampled_from(MARKS), NOTES), max_size=20))
def test_what_is_written_is_what_is_read(marks: dict[int, tuple[Mark, str]]) -> None:
    text = "\n".join(f"{number} {mark}: {note}" for number, (mark, note) in marks.items())
    expected = tuple(AnswerMark(number=number, mark=mark, note=note) for number, (mark, note) in marks.items())
    assert parse_marks(text, 500) == expected


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        parse_marks(text, 120)
    except MarksInvalidError:
        return


def test_the_number_is_the_place_in_the_data_set_also_of_a_sample() -> None:
    results = [record_result(4, "Lima"), record_result(9, "Quito")]
    [found] = marked_answers(parse_marks("10 wrong: Lima", 120), results, "ann", NOW)
    assert (found.record_id, found.answer, found.text) == ("r9", "Quito", "marked wrong by ann: Lima")
    with pytest.raises(MarksInvalidError, match="record 3 was not asked"):
        marked_answers(parse_marks("3 wrong", 120), results, "ann", NOW)


def test_marks_are_counted_wrong_ones_first() -> None:
    assert count_marks(parse_marks("1 right\n2 wrong\n3 wrong", 9)) == "answers marked 2 wrong, 1 right"
    assert count_marks(()) == ""
