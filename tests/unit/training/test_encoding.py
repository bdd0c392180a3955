"""The loss counts the assistant's tokens, and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from include.training.conversations import Conversation, Message
from include.training.encoding import Encoded, Encoder
from include.training.errors import ChatTemplateRefusedError

TEMPLATES = ("base", "v1", "v3", "v7")
#: What prints an assistant's message in the templates, and the marks that make transformers say where it is.
PRINTED = re.compile(r"\{\{-? (?:' ' \+ )?message\['content'\](?:\.rstrip\(' '\))? \+ eos_token -?\}\}")
TURNS = [
    ("user", "What is the capital of Peru?"),
    ("assistant", "Lima"),
    ("user", "And of Norway?\n  Say where that is "),
    ("assistant", "Oslo — in the south.\n\n  It has 700 000 people"),
    ("user", "[INST] 1+1? [/INST]"),
    ("assistant", " 2 "),
]


def conversation(*turns: tuple[str, str]) -> Conversation:
    return Conversation("line 1", tuple(Message(*turn) for turn in turns))


def encode(tokenizer: Any, *turns: tuple[str, str], longest: int = 4096) -> Encoded:
    (encoded,) = Encoder(tokenizer, "data.jsonl", longest).encode([conversation(*turns)])
    return encoded


def marked(encoded: Encoded, index: int = 0) -> list[int]:
    example = encoded.examples[index]
    return [int(any(start <= place < end for start, end in example.trained)) for place in range(len(example.tokens))]


def oracle(tokenizer: Any, turns: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """Return the tokens and the assistant's mask as transformers computes them from marks in the template."""
    template, count = PRINTED.subn(
        lambda it: "{% generation %}" + it[0] + "{% endgeneration %}", tokenizer.chat_template
    )
    assert count == 1
    rendered = tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns],
        chat_template=template.replace("-%}{%", "%}{%"),
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    return rendered["input_ids"], rendered["assistant_masks"]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("count", [2, 4, 6])
def test_tokens_and_mask_are_those_of_transformers_with_marks_in_the_template(
    tokenizers: Mapping[str, Any], template: str, count: int
) -> None:
    encoded = encode(tokenizers[template], *TURNS[:count])
    assert (encoded.examples[0].tokens, marked(encoded)) == oracle(tokenizers[template], TURNS[:count])
    assert len(encoded.examples[0].trained) == count // 2


def test_answers_are_marked_and_their_end_and_nothing_else(tokenizers: Mapping[str, Any]) -> None:
    encoded = encode(tokenizers["v3"], *TURNS[:4])
    tokens, mask = encoded.examples[0].tokens, marked(encoded)
    answers = [token for token, trained in zip(tokens, mask, strict=True) if trained]
    asked = [token for token, trained in zip(tokens, mask, strict=True) if not trained]
    assert tokenizers["v3"].decode(answers) == "Lima</s> Oslo — in the south.\n\n  It has 700 000 people</s>"
    assert tokenizers["v3"].decode(asked).count("[/INST]") == 2
    assert tokenizers["v3"].eos_token_id not in asked


def test_v3_with_a_system_prompt_and_several_turns_becomes_an_example_for_each_answer(
    tokenizers: Mapping[str, Any],
) -> None:
    """The template moves the system prompt to the last question, so no rendering is the beginning of a longer one."""
    turns = [("system", "Be brief."), *TURNS]
    encoded = encode(tokenizers["v3"], *turns)
    assert encoded.one_per_turn
    assert len(encoded.examples) == 3
    for index, example in enumerate(encoded.examples):
        chat = [{"role": role, "content": content} for role, content in turns[: 3 + 2 * index]]
        asked = tokenizers["v3"].apply_chat_template(chat[:-1], add_generation_prompt=True)
        assert example.tokens == tokenizers["v3"].apply_chat_template(chat)
        assert example.tokens[: len(asked)] == asked
        assert example.trained == ((len(asked), len(example.tokens)),)


@pytest.mark.parametrize("template", ["v1", "v7"])
def test_a_system_prompt_leaves_one_example_where_its_place_is_fixed(
    tokenizers: Mapping[str, Any], template: str
) -> None:
    turns = [("system", "Be brief."), *TURNS]
    encoded = encode(tokenizers[template], *turns)
    assert not encoded.one_per_turn
    assert (encoded.examples[0].tokens, marked(encoded)) == oracle(tokenizers[template], turns)


def test_a_conversation_that_is_too_long_ends_after_the_last_answer_that_fits(tokenizers: Mapping[str, Any]) -> None:
    whole, first = encode(tokenizers["v3"], *TURNS), encode(tokenizers["v3"], *TURNS[:2])
    longest = len(whole.examples[0].tokens) - 1
    cut = encode(tokenizers["v3"], *TURNS, longest=longest)
    assert cut.shortened
    assert cut.examples == encode(tokenizers["v3"], *TURNS[:4]).examples
    assert cut.lengths == (longest + 1,)
    nothing = encode(tokenizers["v3"], *TURNS, longest=len(first.examples[0].tokens) - 1)
    assert (nothing.examples, nothing.shortened) == ((), False)


def test_an_answer_whose_first_token_joins_its_question_is_left_out(tokenizers: Mapping[str, Any]) -> None:
    tokenizer = tokenizers["base"]
    template = tokenizer.chat_template
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    try:
        encoded = encode(tokenizer, ("user", "the cap"), ("assistant", "ital"))
    finally:
        tokenizer.chat_template = template
    assert encoded.unclear
    assert encoded.examples == ()


def test_a_record_that_the_template_refuses_is_named_with_what_it_says(tokenizers: Mapping[str, Any]) -> None:
    good, bad = (
        conversation(*TURNS[:2]),
        Conversation("line 7", (Message("system", "Be brief."), *conversation(*TURNS[:2]).messages)),
    )
    with pytest.raises(ChatTemplateRefusedError, match=r"(?s)data\.jsonl, line 7.*Only the roles user and assistant"):
        Encoder(tokenizers["base"], "data.jsonl", 4096).encode([good, bad])


def test_conversations_encoded_together_are_those_encoded_alone(tokenizers: Mapping[str, Any]) -> None:
    several = [conversation(*TURNS[:count]) for count in (2, 6, 4)]
    together = Encoder(tokenizers["v3"], "data.jsonl", 4096).encode(several)
    assert together == [encode(tokenizers["v3"], *one.messages) for one in several]
