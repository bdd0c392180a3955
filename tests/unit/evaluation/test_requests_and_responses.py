from __future__ import annotations

import json
from typing import Any

import pytest

from include.evaluation.errors import PromptTemplateError, ResponseSchemaError
from include.evaluation.requests import request
from include.evaluation.responses import Answer, cut_at_stop, read_answer
from include.evaluation.results import PromptSettings

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
CHAT = {"index": 0, "message": {"role": "assistant", "content": " Lima"}, "finish_reason": "stop"}
EXAMPLES = (("a?", "A"), ("b?", "B"))


def settings(body_format: str, **more: Any) -> PromptSettings:
    return PromptSettings(**{"body_format": body_format, "prompt_template": "Q: {question}", "max_tokens": 5} | more)


def body(body_format: str, **more: Any) -> dict[str, Any]:
    sent = request(settings(body_format, **more), "p?")
    assert (sent["contentType"], sent["accept"]) == ("application/json", "application/json")
    return dict(json.loads(sent["body"]))


@pytest.mark.parametrize(
    ("body_format", "expected"),
    [
        ("OpenAICompletion", {"prompt": "Q: p?", "max_tokens": 5, "temperature": 0.0}),
        ("BedrockCompletion", {"prompt": "Q: p?", "max_gen_len": 5, "temperature": 0.0}),
        (
            "OpenAIChatCompletion",
            {"messages": [{"role": "user", "content": "Q: p?"}], "max_tokens": 5, "temperature": 0.0},
        ),
    ],
)
def test_a_question_is_asked_in_each_body_format(body_format: str, expected: dict[str, Any]) -> None:
    assert body(body_format) == expected
    assert body(body_format, stop=("\n",), temperature=0.5) == expected | {"stop": ["\n"], "temperature": 0.5}


def test_a_completion_shows_the_examples_with_their_answers_before_the_question() -> None:
    assert body("OpenAICompletion", examples=EXAMPLES)["prompt"] == "Q: a? A\n\nQ: b? B\n\nQ: p?"


def test_a_chat_has_the_system_prompt_first_and_the_examples_as_turns() -> None:
    assert body("OpenAIChatCompletion", examples=EXAMPLES[:1], system_prompt="Be brief.")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: a?"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "Q: p?"},
    ]


def test_converse_is_asked_with_all_of_it() -> None:
    more = {"stop": ("\n",), "system_prompt": "Be brief.", "guardrail_id": "abc123", "guardrail_version": "2"}
    assert request(settings("Converse", examples=EXAMPLES[:1], **more), "p?") == {
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Q: a?"}]},
            {"role": "assistant", "content": [{"text": "A"}]},
            {"role": "user", "content": [{"text": "Q: p?"}]},
        ],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0.0, "stopSequences": ["\n"]},
        "guardrailConfig": {"guardrailIdentifier": "abc123", "guardrailVersion": "2"},
    }
    assert request(settings("Converse"), "p?").keys() == {"messages", "inferenceConfig"}


def test_a_guardrail_goes_with_the_call_not_into_the_body() -> None:
    sent = request(settings("OpenAICompletion", guardrail_id="abc123"), "p?")
    assert (sent["guardrailIdentifier"], sent["guardrailVersion"]) == ("abc123", "DRAFT")
    assert "guardrail" not in sent["body"].decode()


def test_a_template_that_cannot_be_filled_is_refused() -> None:
    with pytest.raises(PromptTemplateError):
        request(settings("Converse", prompt_template="{answer}"), "p?")


@pytest.mark.parametrize(
    ("text", "stop", "cut"),
    [("a\nb", ("\n",), "a"), ("a;b.c", (".", ";"), "a"), ("abc", ("x",), "abc"), ("abc", (), "abc"), ("x", ("x",), "")],
)
def test_an_answer_ends_at_the_first_stop_sequence_even_if_the_model_did_not_heed_it(
    text: str, stop: tuple[str, ...], cut: str
) -> None:
    assert cut_at_stop(text, stop) == cut


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            {"id": "chatcmpl-1", "object": "chat.completion", "choices": [CHAT], "usage": USAGE},
            Answer(" Lima", "stop", 9, 2),
        ),
        (
            {"id": "cmpl-1", "choices": [{"index": 0, "text": " Lima", "finish_reason": "length"}], "usage": USAGE},
            Answer(" Lima", "length", 9, 2),
        ),
        (
            {"generation": " Lima", "prompt_token_count": 9, "generation_token_count": 2, "stop_reason": "stop"},
            Answer(" Lima", "stop", 9, 2),
        ),
        ({"outputs": [{"text": " Lima", "stop_reason": "stop"}]}, Answer(" Lima", "stop", None, None)),
        (
            {
                "output": {"message": {"role": "assistant", "content": [{"text": " Lima"}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11},
            },
            Answer(" Lima", "end_turn", 9, 2),
        ),
        (
            {
                "output": {"message": {"content": [{"reasoningContent": {"reasoningText": {}}}, {"text": "Lima"}]}},
                "stopReason": "end_turn",
            },
            Answer("Lima", "end_turn", None, None),
        ),
        ({"choices": [{"text": ""}]}, Answer("", None, None, None)),
        ({"choices": [CHAT | {"text": "x"}]}, Answer(" Lima", "stop", None, None)),
        ({"choices": [], "generation": "Lima"}, Answer("Lima", None, None, None)),
        (
            {"generation": "No.", "stop_reason": "stop", "amazon-bedrock-guardrailAction": "INTERVENED"},
            Answer("No.", "guardrail_intervened", None, None),
        ),
        (
            {"generation": "Lima", "stop_reason": "stop", "amazon-bedrock-guardrailAction": "NONE"},
            Answer("Lima", "stop", None, None),
        ),
    ],
)
def test_the_answer_is_read_from_every_known_shape(body: dict[str, Any], answer: Answer) -> None:
    assert read_answer(body) == answer


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"completion": "Lima", "id": 1}, "the fields completion, id"),
        ({}, "the fields (none)"),
        ({"choices": [{"message": {"content": None}}]}, "the fields choices"),
        ({"generation": 7}, "the fields generation"),
        (["Lima"], "list"),
        ("Lima", "str"),
    ],
)
def test_an_unknown_shape_is_refused_with_what_was_found(body: Any, found: str) -> None:
    with pytest.raises(ResponseSchemaError, match="no known shape") as refused:
        read_answer(body)
    assert f"Found: {found}\n" in str(refused.value)
