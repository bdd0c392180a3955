"""Metrics that a suite names, with functions of the team's own among them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from include.evaluation.dataset import Locations, Record, read_dataset
from include.evaluation.errors import MetricFailedError, MetricNotAllowedError, MetricValueError
from include.evaluation.metric_choice import MetricChoice
from include.evaluation.suite_metrics import SuiteMetrics, load_metrics, scored_with
from include.team_functions import TeamFunctionError
from tests.support.record_results import record_result

RECORDS = [Record(index, f"question {index}", "Lima") for index in range(3)]
RESULTS = [
    record_result(0, "Lima"),
    record_result(1, "Quito, please"),
    record_result(2, None, status="timeout", error="x"),
]
Write = Callable[[str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the package team_metrics, which has one module."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "team_metrics").mkdir()

    def write(code: str) -> None:
        (tmp_path / "team_metrics" / "tone.py").write_text(dedent(code))
        for name in ("team_metrics.tone", "team_metrics"):
            sys.modules.pop(name, None)

    yield write
    write("")


def loaded(*entries: Any, packages: tuple[str, ...] = ("team_metrics",)) -> SuiteMetrics:
    return load_metrics([MetricChoice.model_validate(entry) for entry in entries], packages)


def scores(*entries: Any) -> list[dict[str, float]]:
    """The scores that the metrics add to each record."""
    plain = RESULTS[0].scores.keys()
    found = scored_with(loaded(*entries), RESULTS, RECORDS)
    return [{name: one for name, one in result.scores.items() if name not in plain} for result in found]


def test_named_metrics_are_added_to_the_scores_that_every_record_has() -> None:
    found = scores("f1", {"length": {"most": 1, "as": "brief"}}, {"regex": {"pattern": "please$"}})
    assert found == [{"brief": 1.0, "regex": 0.0}, {"brief": 0.0, "regex": 1.0}, {"brief": 0.0, "regex": 0.0}]


def test_a_function_of_the_teams_own_sees_record_and_answer_and_its_parameters(write: Write) -> None:
    write("""
        def tone(record, observation, *, word):
            return {"polite": word in observation.answer, "asked": record.question.endswith("1")}
    """)
    assert scores({"team_metrics.tone:tone": {"word": "please"}}) == [
        {"tone.polite": 0.0, "tone.asked": 0.0},
        {"tone.polite": 1.0, "tone.asked": 1.0},
        {"tone.polite": 0.0, "tone.asked": 0.0},
    ]


@pytest.mark.parametrize(
    "returned", ["1.5", "-0.1", "float('nan')", "'0.5'", "None", "{}", "{1: 0.5}", "{'a': 2}", "[0.5]"]
)
def test_a_function_that_returns_no_score_is_named_with_its_record_and_what_it_returned(
    write: Write, returned: str
) -> None:
    write(f"def tone(record, observation):\n    return {returned}\n")
    with pytest.raises(MetricValueError, match=r"(?s)tone, record 0.*from 0 to 1"):
        scores("team_metrics.tone:tone")


def test_a_function_that_returns_other_scores_for_some_records_is_refused(write: Write) -> None:
    write("def tone(record, observation):\n    return {f'score{record.index}': 1}\n")
    with pytest.raises(MetricValueError, match="record 1"):
        scores("team_metrics.tone:tone")


def test_a_function_that_fails_is_named_with_its_record(write: Write) -> None:
    write("def tone(record, observation):\n    return 1 / 0\n")
    with pytest.raises(MetricFailedError, match=r"(?s)tone, record 0.*ZeroDivisionError"):
        scores("team_metrics.tone:tone")


def test_only_functions_of_allowed_packages_are_loaded_and_the_others_are_not_even_imported(write: Write) -> None:
    write("raise SystemExit('imported')")
    for packages in ((), ("team",), ("team_metrics.tone_of_others",)):
        with pytest.raises(MetricNotAllowedError, match="model_import_metric_packages"):
            loaded("team_metrics.tone:tone", packages=packages)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("team_metrics.absent:tone", "ModuleNotFoundError"),
        ("team_metrics.tone:absent", "AttributeError"),
        ("team_metrics.tone:NUMBER", "cannot be called"),
    ],
)
def test_a_function_that_is_not_there_is_named(write: Write, name: str, found: str) -> None:
    write("NUMBER = 3")
    with pytest.raises(TeamFunctionError, match=f"(?s){name}.*{found}"):
        loaded(name)


def test_the_digest_changes_with_parameters_and_with_the_code_of_the_teams_own_modules(write: Write) -> None:
    assert loaded("f1").digest == loaded().digest == ""
    write("def tone(record, observation):\n    return 1\n")
    first = loaded("team_metrics.tone:tone").digest
    assert loaded("f1", "team_metrics.tone:tone").digest == first
    write("def tone(record, observation):\n    return 0\n")
    changed = loaded("team_metrics.tone:tone").digest
    lengths = {loaded({"length": {"most": most}}).digest for most in (3, 4)}
    assert len({first, changed, *lengths}) == 4


def test_a_function_of_the_teams_own_reads_further_columns_and_a_change_of_them_is_another_digest(
    write: Write, tmp_path: Path
) -> None:
    write("""
        def grounded(record, observation):
            return observation.answer in record.columns["meta.source"] and record.columns["pages"] == 3
    """)

    def records(source: str) -> tuple[Record, ...]:
        path = tmp_path / "set.jsonl"
        row = {"question": "q", "answer": "Lima", "meta": {"source": source}, "pages": 3}
        path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"pages": 4}))
        return read_dataset(path, Locations(columns=("meta.source", "pages", "absent"))).records

    choice = MetricChoice.model_validate("team_metrics.tone:grounded")
    asked = records("Lima is the capital of Peru.")
    named = load_metrics([choice], ("team_metrics",), asked)
    results = [record_result(index, "Lima") for index in range(2)]
    assert [one.scores["grounded"] for one in scored_with(named, results, asked)] == [1.0, 0.0]
    assert asked[0].columns["absent"] is None
    changed = records("Quito is another.")
    assert changed[0].digest == asked[0].digest
    assert load_metrics([choice], ("team_metrics",), changed).digest != named.digest
