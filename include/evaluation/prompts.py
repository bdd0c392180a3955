"""Render a question as the prompt or conversation that is sent to the model."""

from __future__ import annotations

import random
from collections.abc import Iterable
from string import Formatter
from typing import Literal

from include.evaluation.dataset import Dataset, Record
from include.evaluation.errors import FewShotExamplesError, PromptTemplateError
from include.evaluation.likelihood_errors import PromptEndError
from include.evaluation.results import PromptSettings

Role = Literal["user", "assistant"]

_FIELD = "question"
_BETWEEN_EXAMPLES = "\n\n"
_LINE_BREAKS = ("\n", "\r")


def check_template(prompt_template: str) -> str:
    """Return ``prompt_template`` if its only placeholder is ``{question}``.

    Raises:
        PromptTemplateError: a brace is unpaired, another field is named, or ``{question}`` is missing.
    """
    try:
        fields = [part[1:] for part in Formatter().parse(prompt_template) if part[1] is not None]
    except ValueError as error:
        raise PromptTemplateError(prompt_template, str(error)) from error
    for name, format_spec, conversion in fields:
        if name != _FIELD or format_spec or conversion:
            raise PromptTemplateError(prompt_template, f"the field {{{name}}}")
    if not fields:
        raise PromptTemplateError(prompt_template, "no field")
    return prompt_template


def render(prompt_template: str, question: str) -> str:
    """Return ``prompt_template`` with the question filled in.

    Raises:
        PromptTemplateError: see ``check_template``.
    """
    return check_template(prompt_template).format(question=question)


def completion_prompt(settings: PromptSettings, question: str) -> str:
    """Return the text of a completion request: each example with its answer, then the question."""
    examples = (f"{render(settings.prompt_template, asked)} {answer}" for asked, answer in settings.examples)
    return _BETWEEN_EXAMPLES.join([*examples, render(settings.prompt_template, question)])


def with_answer(prompt: str, answer: str) -> str:
    """Return the prompt followed by an answer, with a blank between them unless it ends with a line break.

    Raises:
        PromptEndError: the prompt ends with a blank.
    """
    if prompt.endswith((" ", "\t")):
        raise PromptEndError(prompt[-20:])
    return f"{prompt}{'' if prompt.endswith(_LINE_BREAKS) else ' '}{answer.strip()}"


def conversation(settings: PromptSettings, question: str) -> list[tuple[Role, str]]:
    """Return the messages of a chat request: each example as a separate turn, then the question."""
    messages: list[tuple[Role, str]] = []
    for asked, answer in settings.examples:
        messages += [("user", render(settings.prompt_template, asked)), ("assistant", answer)]
    return [*messages, ("user", render(settings.prompt_template, question))]


def choose_examples(dataset: Dataset, count: int, asked: Iterable[Record], seed: int) -> tuple[tuple[str, str], ...]:
    """Return ``count`` questions with their first accepted answer, drawn with ``seed``; the evaluation leaves them out.

    Raises:
        FewShotExamplesError: there are too few.
    """
    questions = {record.question for record in asked}
    usable = [record for record in dataset.records if record.question not in questions]
    if len(usable) < count:
        raise FewShotExamplesError(dataset.uri, count, len(usable))
    chosen = random.Random(seed).sample(usable, count)
    return tuple((record.question, record.accepted_answers[0]) for record in chosen)
