from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.demo.questions import base_questions, eval_questions, read_countries, train_questions, write_questions
from include.evaluation.dataset import read_dataset
from include.evaluation.qa_accuracy import ALTERNATIVES_DELIMITER

DEMO = Path(__file__).parents[3] / "include" / "demo"
COUNTRIES = read_countries()


@pytest.mark.parametrize(
    ("name", "questions"),
    [("capitals_train.jsonl", train_questions(COUNTRIES)), ("capitals_eval.jsonl", eval_questions(COUNTRIES))],
)
def test_the_question_files_are_the_ones_the_script_makes(tmp_path: Path, name: str, questions: list[object]) -> None:
    write_questions(tmp_path / name, questions)
    assert (DEMO / name).read_bytes() == (tmp_path / name).read_bytes()


def test_every_country_is_asked_for_in_two_wordings_that_no_training_holds() -> None:
    asked = [record.question for record in read_dataset(DEMO / "capitals_eval.jsonl").records]
    taught = {question.question for question in base_questions(COUNTRIES) + train_questions(COUNTRIES)}
    assert len(asked) == len(set(asked)) == 2 * len(COUNTRIES) == 120
    assert taught.isdisjoint(asked)


def test_the_base_is_never_taught_a_capital() -> None:
    capitals = {country.country: country.capital.split(ALTERNATIVES_DELIMITER) for country in COUNTRIES}
    for question in base_questions(COUNTRIES):
        named = [country for country in capitals if country in question.question]
        assert not any(capital in question.answer for country in named for capital in capitals[country])


def test_the_continents_are_categories_of_the_same_size() -> None:
    records = read_dataset(DEMO / "capitals_eval.jsonl").records
    sizes = {
        category: [record.category for record in records].count(category)
        for category in {record.category for record in records}
    }
    assert set(sizes.values()) == {20}
    assert len(sizes) == 6


def test_the_taught_capital_is_the_first_of_the_accepted_ones() -> None:
    lines = [json.loads(line) for line in (DEMO / "capitals_train.jsonl").read_text("utf-8").splitlines()]
    assert {line["answer"] for line in lines if "South Africa" in line["question"]} == {"Pretoria"}
    accepted = {record.answer for record in read_dataset(DEMO / "capitals_eval.jsonl").records}
    assert "Pretoria<OR>Cape Town<OR>Bloemfontein" in accepted
