"""Named metrics against FMEval, rouge-score and scikit-learn: tests/oracles/README.md says how these were run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.evaluation.dataset import Record
from include.evaluation.metrics import Observation
from include.evaluation.record_metrics import RECORD_METRICS

ORACLES = Path(__file__).parents[2] / "oracles"


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ORACLES / f"{name}.jsonl").read_text("utf-8").split("\n") if line]


@pytest.mark.parametrize(
    ("oracle", "names"),
    [
        ("fmeval_factual_knowledge", ("factual_knowledge", "factual_knowledge_quasi")),
        ("rouge_score", ("rouge1", "rouge2", "rougeL")),
    ],
)
def test_a_metric_equals_its_oracle_on_every_case(oracle: str, names: tuple[str, ...]) -> None:
    known = cases(oracle)
    assert len(known) >= 100
    for case in known:
        record = Record(0, "question", case["target"])
        observation = Observation(record.accepted_answers, case["answer"])
        assert {name: RECORD_METRICS[name](record, observation) for name in names} == {
            name: case[name] for name in names
        }, case
    assert all(0 < sum(case[name] for case in known) < len(known) for name in names)
