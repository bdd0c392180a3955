from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.config.errors import ModelFileInvalidError
from include.config.model import parse_model_config
from include.evaluation.answer_log import AnswerLog, LoggedAnswer
from include.evaluation.dataset import Record
from include.evaluation.errors import LabelsUnusableError
from include.evaluation.likelihood import InversePerplexity, Likelihood
from include.evaluation.likelihood_errors import (
    AnswerNotAChoiceError,
    LogprobsMissingError,
    PromptEndError,
    TokenCountError,
)
from include.evaluation.prompts import with_answer
from include.evaluation.requests import request
from include.evaluation.responses import Answer, prompt_logprobs, require_choice
from include.evaluation.results import PromptSettings, RecordResult
from tests.support.record_results import record_result

LABELS = ("Lima", "Quito", "La Paz")
PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="Q: {question}", max_tokens=9, stop=("\n",))


def asked(accepted: tuple[str, ...] = ("Lima",), **more: Any) -> RecordResult:
    return record_result(0, "Lima", accepted, **{"input_tokens": 10} | more)


def with_end(answer: str, *logprobs: float, **more: Any) -> RecordResult:
    """The result of a prompt that ends with the answer, two tokens of the question among those that were kept."""
    kept = (-50.0, -60.0, *logprobs)
    return record_result(0, "x", (answer,), **{"input_tokens": 10 + len(logprobs), "logprobs": kept} | more)


@given(st.lists(st.lists(st.floats(-30, 0), min_size=1, max_size=4), min_size=2, max_size=5), st.integers(0, 4))
def test_the_scores_of_a_label_are_those_of_its_share_and_the_brier_score(tokens: list[list[float]], at: int) -> None:
    labels = [f"label {number}" for number in range(len(tokens))]
    right = min(at, len(labels) - 1)
    further = [with_end(label, *logprobs) for label, logprobs in zip(labels, tokens, strict=True)]
    [found] = Likelihood().with_scores("of", [asked((labels[right],))], further)
    weights = np.exp([math.fsum(logprobs) for logprobs in tokens], dtype=np.longdouble)
    shares = weights / weights.sum()
    truth = np.eye(len(labels))[right]
    assert found.scores["of.probability"] == pytest.approx(float(shares[right]))
    assert found.scores["of.calibration"] == pytest.approx(float(1 - ((shares - truth) ** 2).sum() / 2))
    if len(set(map(float, shares))) == len(labels):
        assert found.scores["of.accuracy"] == float(shares.argmax() == right)


def test_a_sure_and_right_model_scores_1_and_a_sure_and_wrong_one_0() -> None:
    sure = [with_end("Lima", 0.0), with_end("Quito", -9999.0)]
    for accepted, score in (("Lima", 1.0), ("Quito", 0.0)):
        [found] = Likelihood().with_scores("l", [asked((accepted,))], sure)
        assert [found.scores[f"l.{name}"] for name in Likelihood.SCORES] == [score] * 3


def test_inverse_perplexity_is_the_geometric_mean_over_the_tokens_of_the_likeliest_accepted_answer() -> None:
    results = [asked(("Lima", "the city of Lima")), asked(("Quito",))]
    further = [with_end("Lima", math.log(0.5)), with_end("x", math.log(0.9), math.log(0.4)), with_end("Quito", -9999.0)]
    found = InversePerplexity().with_scores("p", results, further)
    assert [one.scores["p"] for one in found] == pytest.approx([math.sqrt(0.9 * 0.4), 0.0])


@pytest.mark.parametrize("unanswered", [0, 1])
def test_a_record_without_one_of_its_answers_scores_0(unanswered: int) -> None:
    timed_out: Any = {"status": "timeout", "logprobs": None}
    result = asked(status="timeout") if unanswered == 0 else asked()
    further = [with_end("Lima", -0.1), with_end("Quito", -1.0, **timed_out if unanswered == 1 else {})]
    [found] = Likelihood().with_scores("l", [result], further)
    assert [found.scores[f"l.{name}"] for name in Likelihood.SCORES] == [0.0] * 3
    assert InversePerplexity().with_scores("p", [asked()], [with_end("Lima", -1.0, **timed_out)])[0].scores["p"] == 0.0


@pytest.mark.parametrize("tokens", [None, 9, 10, 14])
def test_token_counts_that_do_not_show_where_an_answer_begins_are_an_error(tokens: int | None) -> None:
    with pytest.raises(TokenCountError, match="record 0"):
        InversePerplexity().with_scores("p", [asked()], [with_end("Lima", -0.5, input_tokens=tokens)])


def test_every_record_is_asked_with_each_label_and_the_labels_are_by_default_the_data_sets() -> None:
    records = [Record(0, "a", "Lima"), Record(1, "b", " Quito<OR>quito city"), Record(2, "c", "lima")]
    found = [(one.question, one.answer) for one in Likelihood().questions(records, 0)]
    assert found == [(question, label) for question in "abc" for label in ("Quito", "lima")]
    named = Likelihood(labels=LABELS).questions(records, 0)
    assert [one.answer for one in named] == [*LABELS] * 3
    perplexity = [(one.question, one.answer) for one in InversePerplexity().questions(records, 0)]
    assert perplexity == [("a", "Lima"), ("b", " Quito"), ("b", "quito city"), ("c", "lima")]


def test_labels_that_are_no_classification_are_refused() -> None:
    with pytest.raises(LabelsUnusableError, match="record 1 accepts 'Rome'"):
        Likelihood(labels=LABELS).questions([Record(0, "a", "Lima"), Record(1, "b", "Rome")], 0)
    with pytest.raises(LabelsUnusableError, match="2 to 50 different"):
        Likelihood().questions([Record(0, "a", "Lima")], 0)
    with pytest.raises(LabelsUnusableError, match="Found: 51"):
        Likelihood().questions([Record(number, "a", str(number)) for number in range(51)], 0)


def test_the_answer_ends_the_prompt_and_its_log_probabilities_are_asked_for() -> None:
    how = InversePerplexity().prompt(PROMPT.model_copy(update={"choices": LABELS, "temperature": 0.5}))
    assert json.loads(request(how, "p?", " Lima ")["body"]) == {
        "prompt": "Q: p? Lima",
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 1,
    }


def test_a_blank_or_a_line_break_is_between_prompt_and_answer() -> None:
    assert with_answer("A:", "Lima") == "A: Lima"
    assert with_answer("assistant\n", " Lima") == "assistant\nLima"
    with pytest.raises(PromptEndError, match="'A: '"):
        with_answer("A: ", "Lima")


def test_choices_go_into_the_body_as_structured_outputs() -> None:
    body = json.loads(request(PROMPT.model_copy(update={"choices": LABELS}), "p?")["body"])
    assert body["structured_outputs"] == {"choice": [*LABELS]}


def test_settings_that_came_later_do_not_change_what_older_evaluations_are_known_by() -> None:
    assert PROMPT.identity == PROMPT.model_dump(exclude={"choices", "likelihood"})
    assert PROMPT.model_copy(update={"choices": LABELS}).identity["choices"] == LABELS


def test_the_token_itself_is_read_from_each_entry_and_not_the_likeliest_in_its_place() -> None:
    def entry(**ranks: tuple[int, float]) -> dict[str, Any]:
        return {token: {"rank": rank, "logprob": logprob} for token, (rank, logprob) in ranks.items()}

    entries = [None, entry(a=(1, -0.1)), entry(b=(7, -5.0), c=(1, -0.2)), entry(d=(1, -0.3), e=(2, -1.5))]
    body = {"choices": [{"text": "x", "prompt_logprobs": entries}]}
    assert prompt_logprobs(body, 9) == (-0.1, -5.0, -1.5)
    assert prompt_logprobs(body, 2) == (-5.0, -1.5)


def test_log_probabilities_of_a_killed_run_are_found_again(tmp_path: Path) -> None:
    answer = Answer("x", "length", 12, 1, (-0.1, -5.0))
    with AnswerLog(tmp_path / "answers.jsonl") as log:
        log.append(LoggedAnswer("key", "p?", 0.5, "2026-01-01T00:00:00+00:00", answer))
    with AnswerLog(tmp_path / "answers.jsonl") as log:
        assert log.answers["key"].answer == answer


@pytest.mark.parametrize("found", [None, [], "x", [None, {"7": -0.5}], [None, {}], [None, None]])
def test_a_response_without_log_probabilities_of_the_prompt_is_told(found: Any) -> None:
    with pytest.raises(LogprobsMissingError):
        prompt_logprobs({"choices": [{"text": "x", "prompt_logprobs": found}]}, 3)


def test_an_answer_that_is_none_of_the_choices_is_an_error_unless_a_guardrail_gave_it() -> None:
    require_choice(Answer(" Lima", "stop", 1, 1), LABELS)
    require_choice(Answer("Blocked.", "guardrail_intervened", 1, 1), LABELS)
    require_choice(Answer("anything", "stop", 1, 1), ())
    with pytest.raises(AnswerNotAChoiceError, match="'La Pa'"):
        require_choice(Answer("La Pa", "length", 1, 1), LABELS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"choices": ["a", "b"], "body_format": "BedrockCompletion"}, "choices: needs body_format OpenAICompletion or"),
        ({"choices": ["a", "b"], "body_format": "Converse"}, "choices: needs body_format OpenAICompletion or"),
        ({"choices": ["a"]}, "two or more"),
        ({"choices": ["a", "A"]}, "must differ"),
        ({"metrics": ["likelihood"], "body_format": "OpenAIChatCompletion"}, "need body_format OpenAICompletion"),
        ({"metrics": ["inverse_perplexity"], "body_format": "BedrockCompletion"}, "need body_format OpenAICompletion"),
        ({"metrics": [{"likelihood": {"labels": ["a", "a "]}}]}, "must differ"),
        ({"metrics": ["likelihood"], "thresholds": {"likelihood": 0.5}}, "likelihood.accuracy, likelihood.probability"),
    ],
)
def test_what_bedrock_does_not_document_is_refused_when_the_models_file_is_read(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelFileInvalidError, match=words):
        parse_model_config({"model_name": "m", "base": "b", "evaluation": {"dataset": "d"} | settings}, "a test")
