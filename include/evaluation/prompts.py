"""Turns a record into the prompt that the model is asked."""

from __future__ import annotations

from string import Formatter

from include.evaluation.dataset import Record
from include.evaluation.errors import PromptTemplateError

_FIELD = "question"


def check_template(prompt_template: str) -> str:
    """Return ``prompt_template`` if it can be filled: it names ``{question}`` and nothing else.

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


def render(prompt_template: str, record: Record) -> str:
    """Return ``prompt_template`` with the record's question in it.

    Raises:
        PromptTemplateError: see ``check_template``.
    """
    return check_template(prompt_template).format(question=record.question)
