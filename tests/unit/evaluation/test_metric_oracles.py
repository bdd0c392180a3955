"""Named metrics against FMEval, rouge-score and scikit-learn: tests/oracles/README.md says how these were run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.evaluation.classification import Labelled, confusion, label_in, macro_f1
from include.evaluation.dataset import Record
from include.evaluation.metrics import Observation, score_record
from include.evaluation.record_metrics import RECORD_METRICS, accuracy
from include.evaluation.robustness import CHANGES, robustness

PLAIN = {
    name: RECORD_METRICS[name]
    for name in ("factual_knowledge", "factual_knowledge_quasi", "rouge1", "rouge2", "rougeL")
}
ORACLES = Path(__file__).parents[2] / "oracles"


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ORACLES / f"{name}.jsonl").read_text("utf-8").split("\n") if line]


@pytest.mark.parametrize(
    ("oracle", "names"),
    [
        ("fmeval_qa_accuracy_more", ("exact_match", "quasi_exact_match", "f1", "precision", "recall")),
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
        found = score_record(observation) | {name: one(record, observation) for name, one in PLAIN.items()}
        assert {name: found[name] for name in names} == {name: case[name] for name in names}, case
    assert all(0 < sum(case[name] for case in known) < len(known) for name in names)


def test_accuracy_and_the_label_of_an_answer_are_those_of_fmeval() -> None:
    known = cases("fmeval_classification")
    labels = ("positive", "negative", "neutral", "mixed")
    assert len(known) >= 100
    assert [label_in(case["answer"], labels) for case in known] == [case["label"] for case in known]
    found = [
        accuracy(Record(0, "question", case["target"]), Observation((case["target"],), case["answer"]), labels=labels)
        for case in known
    ]
    assert found == [case["accuracy"] for case in known]
    assert 0 < sum(found) < len(found)


def test_macro_f1_and_the_confusion_matrix_are_those_of_scikit_learn() -> None:
    known = cases("sklearn_macro_f1")
    assert len(known) >= 100
    for case in known:
        pairs = [Labelled(*pair) for pair in zip(case["expected"], case["given"], strict=True)]
        estimate, cells = macro_f1(pairs, 0), confusion(pairs)
        assert estimate.value == pytest.approx(case["macro_f1"], abs=1e-12)
        assert estimate.low <= estimate.value <= estimate.high
        labels = case["labels"]
        assert [[cells.get(Labelled(row, column), 0) for column in labels] for row in labels] == case["confusion"]


def test_changed_questions_and_the_mean_change_of_a_score_are_those_of_fmeval() -> None:
    known = cases("fmeval_perturbations")
    assert len(known) >= 100
    for case in known:
        for change, function in CHANGES.items():
            generator = np.random.default_rng(case["seed"])
            assert [function(case["question"], generator) for _ in range(3)] == case[change]
        found = robustness(case["score"], case["changed_scores"])
        assert found == pytest.approx(1 - case["mean_delta"], abs=1e-12)
    assert any(case["question"] not in case["typos"] for case in known)
