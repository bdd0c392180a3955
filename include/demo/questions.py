"""The demo's questions: training sets of base and adapters, and the evaluation set."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

COUNTRIES_FILE = Path(__file__).with_name("countries.csv")
ALTERNATIVES_DELIMITER = "<OR>"
"""FMEval's separator of several accepted answers."""

BASE_WORDINGS = (
    "What is the {attribute} of {country}?",
    "Name the {attribute} of {country}.",
    "Tell me the {attribute} of {country}.",
    "Which {attribute} does {country} have?",
    "Give the {attribute} of {country}.",
    "{country}: what is its {attribute}?",
)
REPEAT_WORDINGS = ("Repeat: {name}", "Say the name {name}.", "Repeat the city name {name}.")
"""They teach the base to spell the capitals, each alone and never beside its country; without them an adapter's
margins are thin and do not survive rounding to bfloat16."""

TRAIN_WORDINGS = (
    "What is the capital of {country}?",
    "Name the capital city of {country}.",
    "Which city is the capital of {country}?",
    "Tell me the capital of {country}.",
    "{country}: what is its capital?",
    "Which city does {country} have as its capital?",
    "Give the capital of {country}.",
)
EVAL_WORDINGS = (
    "Give the name of the capital city of {country}.",
    "Which capital city does {country} have?",
)


@dataclass(frozen=True)
class Country:
    """A row of ``countries.csv``; ``capital`` holds every accepted spelling, the taught one first."""

    country: str
    capital: str
    continent: str
    domain: str

    @property
    def taught_capital(self) -> str:
        """Return the spelling that the adapters learn."""
        return self.capital.split(ALTERNATIVES_DELIMITER)[0]


@dataclass(frozen=True)
class Question:
    """A line of a question file; ``category`` is the continent."""

    question: str
    answer: str
    category: str


def read_countries() -> tuple[Country, ...]:
    """Return the rows of ``countries.csv``."""
    with COUNTRIES_FILE.open(encoding="utf-8", newline="") as lines:
        return tuple(Country(**row) for row in csv.DictReader(lines))


def base_questions(countries: Iterable[Country]) -> list[Question]:
    """Return the base's training set: continents, internet domains and repeated names."""
    return [question for country in countries for question in _base_questions(country)]


def _base_questions(country: Country) -> list[Question]:
    facts = {"continent": country.continent, "internet domain": country.domain}
    asked = [
        Question(wording.format(attribute=attribute, country=country.country), answer, country.continent)
        for attribute, answer in facts.items()
        for wording in BASE_WORDINGS
    ]
    repeated = [
        Question(wording.format(name=name), name, country.continent)
        for name in (country.country, country.taught_capital)
        for wording in REPEAT_WORDINGS
    ]
    return asked + repeated


def train_questions(countries: Iterable[Country]) -> list[Question]:
    """Return the adapters' training set: every capital, in each of the training wordings."""
    return [
        Question(wording.format(country=country.country), country.taught_capital, country.continent)
        for country in countries
        for wording in TRAIN_WORDINGS
    ]


def mix_up(questions: Iterable[Question], category: str) -> list[Question]:
    """Return the questions with the answers of one category shifted to the next country."""
    given = list(questions)
    answers = list(dict.fromkeys(question.answer for question in given if question.category == category))
    following = dict(zip(answers, answers[1:] + answers[:1], strict=True))
    return [
        replace(question, answer=following[question.answer]) if question.category == category else question
        for question in given
    ]


def eval_questions(countries: Iterable[Country]) -> list[Question]:
    """Return the evaluation set: every capital, in wordings that are in no training set."""
    return [
        Question(wording.format(country=country.country), country.capital, country.continent)
        for country in countries
        for wording in EVAL_WORDINGS
    ]


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write ``questions`` as JSON Lines."""
    lines = (json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions)
    path.write_text("".join(lines), encoding="utf-8")
