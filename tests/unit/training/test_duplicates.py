from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from include.training.conversations import Conversation
from include.training.duplicates import DuplicateFinder
from include.training.shingles import shingles, similarity
from include.training.spool import Spool
from tests.support.training_data import asked

WORDS = [f"{first}{second}" for first in "bcdfghjklm" for second in ("ado", "eki", "ilu", "omi", "una")]


def text(seed: int, count: int = 100) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def changed(words: str, *places: int) -> str:
    split = words.split()
    for place in places:
        split[place] = "other"
    return " ".join(split)


def kept(folder: Path, conversations: Sequence[Conversation], at_once: int = 1000) -> tuple[list[int], list[int]]:
    """Return which records are left without exact duplicates, and which without near ones."""
    finder = DuplicateFinder()
    with Spool(folder / "spool") as spool:
        for start in range(0, len(conversations), at_once):
            batch = conversations[start : start + at_once]
            finder.add(batch, shingles([conversation.text for conversation in batch]))
            spool.add(batch)
        exact = finder.exact()
        near = finder.near(exact, spool.read)
    return np.flatnonzero(exact).tolist(), np.flatnonzero(near).tolist()


def test_the_first_of_exact_duplicates_stays_whatever_their_case_and_white_space(tmp_path: Path) -> None:
    same = [
        asked("Where is Lima?", "In Peru."),
        asked(" where  is LIMA?\n", "in Peru."),
        asked("Where is Lima", "In Peru."),
    ]
    other = [asked("Where is Lima?", "In Peru!"), asked("Where is Lima?", "In Peru.", system="Be brief.")]
    assert kept(tmp_path, [*same, *other])[0] == [0, 2, 3, 4]


def test_signs_and_numbers_make_a_difference_in_short_texts(tmp_path: Path) -> None:
    sums = [asked("3 + 4?", "7"), asked("3 - 4?", "-1"), asked("3 - 4?", "1"), asked("3 * 4?", "7")]
    assert kept(tmp_path, sums)[1] == [0, 1, 2, 3]


def test_a_word_changed_in_a_hundred_is_a_near_duplicate_and_ten_are_not(tmp_path: Path) -> None:
    question, answer = text(1), text(2)
    near = asked(changed(question, 50), changed(answer, 3))
    far = asked(changed(question, *range(0, 100, 10)), answer)
    conversations = [asked(question, answer), near, far, asked(text(3), text(4))]
    assert kept(tmp_path, conversations) == ([0, 1, 2, 3], [0, 2, 3])


def test_another_question_about_the_same_text_and_another_answer_are_no_duplicates(tmp_path: Path) -> None:
    passage = text(5, 300)
    asks = [asked(f"{passage} {question}", answer) for question, answer in (("Who?", "Ada"), ("When?", "In 1843"))]
    long = [asked(passage, text(6)), asked(passage, text(7))]
    assert kept(tmp_path, [*asks, *long])[1] == [0, 1, 2, 3]


def test_nearly_all_near_duplicates_are_found(tmp_path: Path) -> None:
    originals = [asked(text(number, 60), text(-number, 60)) for number in range(1, 201)]
    again = [asked(changed(it.prompt, 59), changed(it.answer, 0)) for it in originals]
    assert len(kept(tmp_path, [*originals, *again])[1]) <= 202


def test_what_is_left_does_not_depend_on_how_many_are_read_at_once(tmp_path: Path) -> None:
    conversations = [asked(changed(text(number % 30), number % 7), text(number % 5)) for number in range(200)]
    assert kept(tmp_path, conversations, 7) == kept(tmp_path, conversations, 200)


def test_many_records_that_begin_alike_are_compared_in_little_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    monkeypatch.setattr("include.training.duplicates.is_near", lambda *pair: bool(compared.append(pair)))
    shared = text(8, 200)
    kept(tmp_path, [asked(f"{shared} {number}", "yes") for number in range(300)])
    assert len(compared) <= 300 * 8 * 8


def test_similarity_is_the_jaccard_index_of_the_runs_of_eight_words() -> None:
    one, other = text(9, 20).split(), [*text(9, 20).split()[:-1], "other"]
    sets = [{tuple(words[start : start + 8]) for start in range(len(words) - 7)} for words in (one, other)]
    assert similarity(" ".join(one), " ".join(other)) == len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_japanese_is_compared_too_though_it_has_no_spaces() -> None:
    assert 0.5 < similarity("日本の首都は東京で人口は約千四百万人です", "日本の首都は東京で人口は約千四百万人だ") < 1


def test_texts_of_a_word_or_two_have_no_runs_of_eight() -> None:
    assert shingles(["Why not?", "", "?"]).starts.tolist() == [0, 0, 0, 0]
    assert (similarity("Why not?", "why NOT"), similarity("Why not?", "Why?")) == (1, 0)
