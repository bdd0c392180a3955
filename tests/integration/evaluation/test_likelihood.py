"""The probabilities that an imported model gives to answers, beside those that transformers computes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest
import torch

from include.aws.clients import AwsClients
from include.evaluation.errors import NothingAnsweredError
from include.evaluation.storage import read_records, read_report
from include.run.plan import ImportPlan
from include.steps.evaluate import is_measured, measure
from include.steps.results import EvaluationResult
from tests.support.bedrock_stand_in import Aws
from tests.support.evaluations import DEMO
from tests.support.greedy_oracle import GreedyOracle

Plans = Callable[..., ImportPlan]
LABELS = ("Nairobi", "New Delhi", "São Tomé", "Lima")
TEMPLATE = "[INST] {question} [/INST]"
METRICS = ["f1", "likelihood", "inverse_perplexity"]
QUESTIONS = 28


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, str]]]:
    """A data set with four different answers, each of other tokens, and its rows."""
    lines = (DEMO / "capitals_eval.jsonl").read_text("utf-8").splitlines()[:QUESTIONS]
    rows = [
        {"question": json.loads(line)["question"], "answer": LABELS[index % len(LABELS)]}
        for index, line in enumerate(lines)
    ]
    path = tmp_path_factory.getbasetemp() / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path), rows


class Probabilities:
    """Log probabilities of answers after a prompt, by a forward pass of transformers."""

    def __init__(self, folder: Path) -> None:
        self._oracle = GreedyOracle(folder)

    def of(self, question: str, answer: str) -> list[float]:
        prompt = TEMPLATE.format(question=question)
        start, whole = len(self._oracle.prompt_ids(prompt)), self._oracle.prompt_ids(f"{prompt} {answer}")
        with torch.inference_mode():
            logprobs = self._oracle.model(torch.tensor([whole])).logits[0].double().log_softmax(-1)
        return [float(logprobs[place - 1, whole[place]]) for place in range(start, len(whole))]


def test_labels_and_answers_have_the_probabilities_that_transformers_computes(
    aws: Aws,
    model: str,
    merged: Path,
    clients: AwsClients,
    plan_for: Plans,
    labelled: tuple[str, list[dict[str, str]]],
) -> None:
    dataset, rows = labelled
    plan = plan_for(dataset=dataset, metrics=METRICS)
    found = measure(plan, model, clients)
    report = read_report(clients.s3, found.report_uri)
    assert report is not None
    results = list(read_records(clients.s3, report.records_uri))
    oracle, compared = Probabilities(merged), 0
    for row, result in zip(rows, results, strict=True):
        tokens = {label: oracle.of(row["question"], label) for label in LABELS}
        total = {label: math.exp(sum(one)) for label, one in tokens.items()}
        share = {label: one / sum(total.values()) for label, one in total.items()}
        squares = sum((share[label] - (label == row["answer"])) ** 2 for label in LABELS)
        assert result.scores["likelihood.probability"] == pytest.approx(share[row["answer"]], abs=0.01)
        assert result.scores["likelihood.calibration"] == pytest.approx(1 - squares / 2, abs=0.01)
        likeliest, second = sorted(share.values())[:-3:-1]
        if likeliest - second > 0.01:
            assert result.scores["likelihood.accuracy"] == (share[row["answer"]] == likeliest)
        perplexity = math.exp(-fmean(tokens[row["answer"]]))
        assert result.scores["inverse_perplexity"] == pytest.approx(1 / perplexity, abs=0.01)
        compared += len(tokens)
    assert compared >= 100
    assert (found.records, found.changed_questions, found.changed_unanswered) == (QUESTIONS, QUESTIONS * 5, 0)
    assert is_measured(plan, model, clients)
    assert 0 < found.scores["inverse_perplexity"] < 1

    # As after a kill before anything was stored: the log of the answers is enough.
    for stored in clients.s3.list_objects_v2(Bucket=plan.bucket, Prefix=f"{plan.evaluation_prefix}/")["Contents"]:
        clients.s3.delete_object(Bucket=plan.bucket, Key=stored["Key"])
    aws.script("fixed-answer", text="Nowhere")
    assert measure(plan, model, clients).scores == found.scores


@pytest.mark.parametrize("body_format", ["OpenAICompletion", "OpenAIChatCompletion"])
def test_with_choices_every_answer_is_one_of_them(
    model: str,
    clients: AwsClients,
    plan_for: Plans,
    labelled: tuple[str, list[dict[str, str]]],
    body_format: str,
) -> None:
    how = {"dataset": labelled[0], "sample": 6, "body_format": body_format, "prompt_template": "{question}"}
    free = measure(plan_for(**how), model, clients)
    chosen = measure(plan_for(**how, choices=LABELS), model, clients)
    assert chosen.conditions_digest != free.conditions_digest
    assert _answers(clients, chosen) <= set(LABELS)
    assert not _answers(clients, free) <= set(LABELS)


def _answers(clients: AwsClients, found: EvaluationResult) -> set[str]:
    return {result.answer.strip() for result in read_records(clients.s3, found.records_uri)}


def test_a_model_that_ignores_choices_or_knows_no_probabilities_is_told_apart(
    aws: Aws, model: str, clients: AwsClients, plan_for: Plans, labelled: tuple[str, list[dict[str, str]]]
) -> None:
    aws.script("fixed-answer", text="Nowhere")
    with pytest.raises(NothingAnsweredError, match=r"(?s)none of the choices.*'Nowhere'.*ignore `choices`"):
        measure(plan_for(dataset=labelled[0], sample=3, choices=LABELS), model, clients)
    with pytest.raises(NothingAnsweredError, match=r"(?s)no log probabilities of the prompt.*before 2025-11-11"):
        measure(plan_for(dataset=labelled[0], sample=3, metrics=["inverse_perplexity"]), model, clients)
