from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.evaluation.qa_accuracy import METRICS, score

ORACLE = Path(__file__).parents[2] / "oracles" / "fmeval_qa_accuracy.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in ORACLE.read_text("utf-8").splitlines()]

# Few letters, so that words are often shared; blanks, articles and punctuation, since they are treated specially.
texts = st.text(alphabet="ab thex.,'-\n\u00a0É", max_size=20)


@pytest.mark.parametrize("line", LINES, ids=[line["note"] for line in LINES])
def test_scores_equal_those_of_fmeval_to_the_last_bit(line: dict[str, Any]) -> None:
    assert asdict(score(line["prediction"], line["target"])) == {metric: line[metric] for metric in METRICS}


def test_the_oracle_is_there() -> None:
    assert len(LINES) == 30


@given(texts, texts)
def test_every_score_lies_between_0_and_1(prediction: str, target: str) -> None:
    assert all(0 <= value <= 1 for value in asdict(score(prediction, target)).values())


@given(texts, texts)
def test_swapping_prediction_and_target_swaps_precision_and_recall_and_keeps_the_rest(one: str, other: str) -> None:
    there, back = score(one, other), score(other, one)
    assert (there.precision, there.recall) == (back.recall, back.precision)
    assert there.f1 == pytest.approx(back.f1)
    assert (there.exact_match, there.quasi_exact_match) == (back.exact_match, back.quasi_exact_match)


@given(texts, st.lists(texts, min_size=1, max_size=4), st.randoms())
def test_the_order_of_accepted_answers_does_not_matter(prediction: str, answers: list[str], random: Any) -> None:
    shuffled = random.sample(answers, len(answers))
    assert score(prediction, "<OR>".join(answers)) == score(prediction, "<OR>".join(shuffled))


@given(texts, st.lists(texts, min_size=1, max_size=3), texts)
def test_one_more_accepted_answer_never_lowers_a_score(prediction: str, answers: list[str], more: str) -> None:
    before = asdict(score(prediction, "<OR>".join(answers)))
    after = asdict(score(prediction, "<OR>".join([*answers, more])))
    assert all(after[metric] >= before[metric] for metric in METRICS)


@given(texts)
def test_an_exact_match_is_a_quasi_exact_match(text: str) -> None:
    scores = score(f" {text} ", text)
    assert (scores.exact_match, scores.quasi_exact_match) == (1.0, 1.0)
