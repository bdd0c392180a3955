from __future__ import annotations

from typing import Any

import pytest

from include.evaluation.errors import ResponseSchemaError
from include.evaluation.responses import Answer, RequestFormat, read_answer, request_body

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
CHAT = {"index": 0, "message": {"role": "assistant", "content": " Lima"}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("body_format", "body"),
    [
        ("OpenAICompletion", {"prompt": "p", "max_tokens": 5, "temperature": 0.0}),
        ("BedrockCompletion", {"prompt": "p", "max_gen_len": 5, "temperature": 0.0}),
        (
            "OpenAIChatCompletion",
            {"messages": [{"role": "user", "content": "p"}], "max_tokens": 5, "temperature": 0.0},
        ),
    ],
)
def test_a_question_is_asked_greedily_in_each_body_format(body_format: RequestFormat, body: dict[str, Any]) -> None:
    assert request_body(body_format, "p", 5) == body


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            {"id": "chatcmpl-1", "object": "chat.completion", "choices": [CHAT], "usage": USAGE},
            Answer(" Lima", "stop", 9, 2, "OpenAIChatCompletion"),
        ),
        (
            {"id": "cmpl-1", "choices": [{"index": 0, "text": " Lima", "finish_reason": "length"}], "usage": USAGE},
            Answer(" Lima", "length", 9, 2, "OpenAICompletion"),
        ),
        (
            {"generation": " Lima", "prompt_token_count": 9, "generation_token_count": 2, "stop_reason": "stop"},
            Answer(" Lima", "stop", 9, 2, "BedrockCompletion"),
        ),
        (
            {"outputs": [{"text": " Lima", "stop_reason": "stop"}]},
            Answer(" Lima", "stop", None, None, "MistralCompletion"),
        ),
        ({"choices": [{"text": ""}]}, Answer("", None, None, None, "OpenAICompletion")),
        ({"choices": [CHAT | {"text": "x"}]}, Answer(" Lima", "stop", None, None, "OpenAIChatCompletion")),
        ({"choices": [], "generation": "Lima"}, Answer("Lima", None, None, None, "BedrockCompletion")),
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
    assert f"found {found}." in str(refused.value)
