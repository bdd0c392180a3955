"""Whether a chat template can be trained with, and whether the evaluation asks in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include.config.evaluation import EvaluationConfig
from include.config.training import TrainingConfig
from include.evaluation.prompts import render
from include.evaluation.requests import CHAT_FORMATS
from include.training.conversations import Conversation
from include.training.encoding import Encoder
from include.training.errors import (
    ChatTemplateEndlessError,
    ChatTemplateRefusedError,
    ChatTemplateUnstableError,
    PromptTemplateMismatchError,
)

#: Without white space at their ends, which some templates strip.
_QUESTIONS = ("What is the capital of Peru?", "Why?\nSay it in one word: yes or no.", "1 + 1 =")
_ANSWER = "Lima"
#: So many of the first records are rendered.
TRIED_RECORDS = 16
_FIELD = "{question}"


def check_training(
    tokenizer: Any, training: TrainingConfig, evaluation: EvaluationConfig, first: Sequence[Conversation]
) -> None:
    """Refuse a template that the first records, or the evaluation, are not made for.

    A system prompt that all of these records have may be in the evaluation's prompt.

    Raises:
        ChatTemplateRefusedError: it does not render a record; also what the two checks below raise.
    """
    check_chat_template(tokenizer, training.chat_template)
    Encoder(tokenizer, training.data, training.max_sequence_length).encode(first[:TRIED_RECORDS])
    system_prompts = {conversation.system_prompt for conversation in first}
    shared = system_prompts.pop() if len(system_prompts) == 1 else None
    check_prompt_template(tokenizer, evaluation, shared)


def check_chat_template(tokenizer: Any, choice: str) -> None:
    """Refuse a template in which answers cannot be separated from questions, or have no end.

    Raises:
        ChatTemplateRefusedError: it does not render a question with its answer.
        ChatTemplateUnstableError: an answered conversation does not begin with the tokens of its question.
        ChatTemplateEndlessError: no special token follows the answer.
    """
    for question in _QUESTIONS:
        asked = _tokens(tokenizer, [_user(question)], asks=True)
        whole = _tokens(tokenizer, [_user(question), {"role": "assistant", "content": _ANSWER}], asks=False)
        if whole[: len(asked)] != asked:
            raise ChatTemplateUnstableError(choice, repr(tokenizer.decode(asked)), repr(tokenizer.decode(whole)))
        answer = whole[len(asked) :]
        end = next((token for token in reversed(answer) if tokenizer.decode([token]).strip()), None)
        if end not in tokenizer.all_special_ids:  # white space may follow it
            raise ChatTemplateEndlessError(choice, repr(tokenizer.decode(answer)))


def check_prompt_template(tokenizer: Any, evaluation: EvaluationConfig, system_prompt: str | None = None) -> None:
    """Refuse an evaluation that asks in another way than the tokenizer's chat template, token for token.

    Messages are rendered by the same template in Bedrock, so only the formats that send a text are compared. Examples
    that are shown before a question are not part of the comparison.

    Args:
        tokenizer: the one that the model is trained with.
        evaluation: how the imported model is asked.
        system_prompt: that of every example, if they have the same.

    Raises:
        PromptTemplateMismatchError: the tokens differ; says which template would be right.
    """
    if evaluation.body_format in CHAT_FORMATS:
        return
    choices = [()] + ([({"role": "system", "content": system_prompt},)] if system_prompt else [])
    if not any(_asks_alike(tokenizer, evaluation.prompt_template, before) for before in choices):
        question = _QUESTIONS[0]
        expected = tokenizer.apply_chat_template([_user(question)], tokenize=False, add_generation_prompt=True)
        found = tokenizer.decode(tokenizer(render(evaluation.prompt_template, question)).input_ids)
        raise PromptTemplateMismatchError(repr(expected), repr(found), _remedy(tokenizer))


def _asks_alike(tokenizer: Any, prompt_template: str, before: Sequence[dict[str, str]]) -> bool:
    return all(
        _tokens(tokenizer, [*before, _user(question)], asks=True)
        == tokenizer(render(prompt_template, question)).input_ids
        for question in _QUESTIONS
    )


def _remedy(tokenizer: Any) -> str:
    """Return the template that asks as the model is trained; the tokenizer adds the first token itself."""
    text = tokenizer.apply_chat_template([_user("\0")], tokenize=False, add_generation_prompt=True)
    for start in (tokenizer.bos_token or "", ""):
        template = text.removeprefix(start).replace("{", "{{").replace("}", "}}").replace("\0", _FIELD)
        if _FIELD in template and _asks_alike(tokenizer, template, ()):
            return f"Set evaluation.prompt_template to {template!r}."
    return "Ask with messages: set evaluation.body_format to OpenAIChatCompletion."


def _tokens(tokenizer: Any, messages: list[dict[str, str]], *, asks: bool) -> list[int]:
    try:
        tokens: list[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=asks)
    except Exception as error:  # whatever a template raises, it does not render
        roles = ", ".join(message["role"] for message in messages)
        raise ChatTemplateRefusedError(f"messages of {roles}", f"{type(error).__name__}: {error}") from error
    return tokens


def _user(question: str) -> dict[str, str]:
    return {"role": "user", "content": question}
