"""Trained and evaluated with the same prompt, token for token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from include.config.evaluation import EvaluationConfig
from include.training.errors import (
    ChatTemplateEndlessError,
    ChatTemplateRefusedError,
    ChatTemplateUnstableError,
    PromptTemplateMismatchError,
)
from include.training.prompt_check import check_chat_template, check_prompt_template

RIGHT = {"base": "[INST] {question} [/INST]", "v1": "[INST] {question} [/INST]", "v3": "[INST]{question}[/INST]"}
RIGHT["v7"] = RIGHT["v3"]


def evaluation(template: str, body_format: str = "OpenAICompletion") -> EvaluationConfig:
    return EvaluationConfig.model_validate({"dataset": "d", "prompt_template": template, "body_format": body_format})


@contextmanager
def with_template(tokenizer: Any, template: str) -> Iterator[Any]:
    before, tokenizer.chat_template = tokenizer.chat_template, template
    try:
        yield tokenizer
    finally:
        tokenizer.chat_template = before


@pytest.mark.parametrize("template", RIGHT)
def test_the_projects_templates_can_be_trained_and_fit_their_prompts(
    tokenizers: Mapping[str, Any], template: str
) -> None:
    check_chat_template(tokenizers[template], template)
    check_prompt_template(tokenizers[template], evaluation(RIGHT[template]))


@pytest.mark.parametrize(
    "wrong",
    ["{question}", "[INST] {question} [/INST]</s>", "<s>[INST]{question}[/INST]", "Human: {question}\nAssistant:"],
)
def test_another_prompt_is_refused_with_the_one_that_would_be_right(tokenizers: Mapping[str, Any], wrong: str) -> None:
    """The second one is that of the notebook that this project began with."""
    with pytest.raises(PromptTemplateMismatchError) as refused:
        check_prompt_template(tokenizers["v3"], evaluation(wrong))
    assert repr(RIGHT["v3"]) in refused.value.remedy
    assert "[INST]What is the capital of Peru?[/INST]" in refused.value.expected


@pytest.mark.parametrize("template", RIGHT)
def test_the_remedys_template_is_accepted(tokenizers: Mapping[str, Any], template: str) -> None:
    with pytest.raises(PromptTemplateMismatchError) as refused:
        check_prompt_template(tokenizers[template], evaluation("Q: {question}"))
    assert refused.value.remedy == f"Set evaluation.prompt_template to {RIGHT[template]!r}."


@pytest.mark.parametrize("body_format", ["OpenAIChatCompletion", "Converse"])
def test_messages_are_rendered_by_the_model_itself(tokenizers: Mapping[str, Any], body_format: str) -> None:
    check_prompt_template(tokenizers["v3"], evaluation("{question}", body_format))


def test_a_system_prompt_that_every_example_has_may_be_in_the_evaluations_prompt(tokenizers: Mapping[str, Any]) -> None:
    asks = evaluation("[INST]Be brief.\n\n{question}[/INST]")
    check_prompt_template(tokenizers["v3"], asks, "Be brief.")
    check_prompt_template(tokenizers["v3"], evaluation(RIGHT["v3"]), "Be brief.")
    with pytest.raises(PromptTemplateMismatchError):
        check_prompt_template(tokenizers["v3"], asks, "Be long.")


def test_a_template_that_does_not_end_an_answer_is_refused(tokenizers: Mapping[str, Any]) -> None:
    endless = "{% for message in messages %}[INST]{{ message['content'] }}{% endfor %}"
    with with_template(tokenizers["base"], endless) as tokenizer, pytest.raises(ChatTemplateEndlessError, match="Lima"):
        check_chat_template(tokenizer, "endless.jinja")


def test_a_template_that_asks_in_another_way_than_it_answers_is_refused(tokenizers: Mapping[str, Any]) -> None:
    unstable = "{{ messages | length }}: {% for message in messages %}{{ message['content'] }}</s>{% endfor %}"
    with with_template(tokenizers["base"], unstable) as tokenizer, pytest.raises(ChatTemplateUnstableError):
        check_chat_template(tokenizer, "unstable.jinja")


@pytest.mark.parametrize("broken", ["{% for message in messages %}", "{{ raise_exception('never') }}"])
def test_a_template_that_does_not_render_is_refused(tokenizers: Mapping[str, Any], broken: str) -> None:
    with with_template(tokenizers["base"], broken) as tokenizer, pytest.raises(ChatTemplateRefusedError):
        check_chat_template(tokenizer, "broken.jinja")
