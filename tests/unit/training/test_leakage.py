from __future__ import annotations

import pytest

from include.training.conversations import Conversation
from include.training.leakage import LeakageFinder
from include.training.shingles import shingles
from tests.support.training_data import asked

LONG = "Which of the rivers that rise in the Alps reaches the Black Sea after ten countries?"
QUESTIONS = ("What is the capital of Peru?", LONG)


def found(*conversations: Conversation) -> list[str | None]:
    runs = shingles([conversation.text for conversation in conversations])
    return LeakageFinder(QUESTIONS).find(conversations, runs)


@pytest.mark.parametrize(
    ("question", "leaked"),
    [
        ("What is the capital of Peru?", QUESTIONS[0]),
        ("what is the  capital of PERU?\n", QUESTIONS[0]),
        ("What is the capital of Peru, and of Chile?", None),
        ("What is the capital of Chile?", None),
        (f"Answer in one word. {LONG} Options: Rhine, Danube.", LONG),
        (LONG.replace("?", ""), LONG),
        (LONG.replace("ten", "nine"), None),
        ("Which of the rivers that rise in the Alps is the longest?", None),
    ],
)
def test_a_record_holds_a_question_that_is_its_own_or_a_long_one_anywhere(question: str, leaked: str | None) -> None:
    assert found(asked(question, "x")) == [leaked]


def test_the_right_records_are_found_among_others() -> None:
    others = [asked(f"Where is the source of river {number}, and where does it end, and why?", "x") for number in "ab"]
    assert found(others[0], asked(LONG, "x"), others[1], asked(QUESTIONS[0], "x")) == [None, LONG, None, QUESTIONS[0]]


def test_a_question_in_the_answer_has_leaked_as_well() -> None:
    assert found(asked("Make a question.", LONG)) == [LONG]


def test_a_question_that_is_there_twice_is_found_once() -> None:
    runs = shingles([LONG])
    assert LeakageFinder([LONG, LONG]).find([asked(LONG, "x")], shingles([asked(LONG, "x").text])) == [LONG]
    assert len(runs.hashes) == 9


def test_an_evaluation_of_short_questions_alone_is_searched_for_too() -> None:
    conversations = [asked("Why?", "x"), asked(LONG, "x")]
    assert LeakageFinder(["Why?"]).find(conversations, shingles([it.text for it in conversations])) == ["Why?", None]
