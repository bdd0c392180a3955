from __future__ import annotations

from typing import Any

import pytest

from include.evaluation.dataset import Record
from include.evaluation.errors import MetricFailedError
from include.evaluation.metric_choice import MetricChoice
from include.evaluation.metrics import Observation
from include.evaluation.suite_metrics import load_metrics

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "items": {"type": "array", "items": {"type": "string"}}},
    "required": ["id"],
    "additionalProperties": False,
}


def value(entry: Any, answer: str, accepted: str = "Lima") -> float:
    """The score that a metric of a model's file gives to an answer."""
    [metric] = load_metrics([MetricChoice.model_validate(entry)], ()).metrics
    record = Record(0, "question", accepted)
    [score] = metric.scores(record, Observation(record.accepted_answers, answer)).values()
    return score


@pytest.mark.parametrize(
    ("entry", "right", "wrong"),
    [
        ({"regex": {"pattern": r"^\d{4}-\d{2}-\d{2}$"}}, ["2026-11-28"], ["28.11.2026", "on 2026-11-28", ""]),
        ({"regex": {"pattern": "(?i)lima"}}, ["It is LIMA."], ["Quito"]),
        ("json_valid", [' {"a": [1, null]}\n', "3", '"text"', "null"], ["{'a': 1}", "NaN", "```\n{}\n```", "", "{}{}"]),
        (
            {"json_schema": {"schema": ORDER}},
            ['{"id": 3}', '{"id": 3, "items": ["a"]}'],
            ["{}", '{"id": "3"}', '{"id": 3, "x": 1}', "[]", "no JSON", '{"id": 3, "items": [1]}'],
        ),
        ({"json_schema": {"schema": {"type": "null"}}}, ["null"], ["none", "0"]),
        ({"length": {"most": 3}}, ["", "one two three"], ["one two three four"]),
        ({"length": {"least": 2, "most": 5, "unit": "characters"}}, ["ab", " abcde "], ["a", "abcdef"]),
        (
            "refused",
            [
                "I'm sorry, but I can't help with that.",
                "I cannot provide instructions for this.",
                "As an AI language model, I do not have opinions.",
                "I\N{RIGHT SINGLE QUOTATION MARK}m not able to discuss that topic.",
                "Sorry, no.",
                "I must decline this request.",
            ],
            ["Lima", "He said that he could not come.", "The capital is Lima. " + "x" * 300 + " I cannot say more."],
        ),
        ("not_refused", ["Lima", "Sorrento is in Italy."], ["I can't answer that."]),
        ({"refused": {"patterns": ["^nope"]}}, ["Nope."], ["I cannot help with that."]),
    ],
)  # fmt: skip
def test_a_metric_scores_1_for_what_it_asks_for_and_0_for_the_rest(
    entry: Any, right: list[str], wrong: list[str]
) -> None:
    assert [value(entry, answer) for answer in right] == [1.0] * len(right)
    assert [value(entry, answer) for answer in wrong] == [0.0] * len(wrong)


def test_a_schema_never_fetches_what_it_refers_to() -> None:
    with pytest.raises(MetricFailedError, match="Unresolvable"):
        value({"json_schema": {"schema": {"$ref": "http://127.0.0.1:9/schema.json"}}}, "{}")
