from __future__ import annotations

import json
from typing import Any

import pytest

from bedrock_import.answers import LONGEST_ANSWER, read_answer


@pytest.mark.parametrize(
    ("body", "body_format"),
    [
        ({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}, "OpenAIChatCompletion"),
        ({"choices": [{"index": 0, "text": "Hi"}]}, "OpenAICompletion"),
        ({"generation": "Hi", "stop_reason": "stop"}, "BedrockCompletion"),
        ({"outputs": [{"text": "Hi", "stop_reason": "stop"}]}, "MistralCompletion"),
    ],
)
def test_the_answer_to_the_smoke_prompt_is_read_in_every_body_format(body: dict[str, Any], body_format: str) -> None:
    assert read_answer(json.dumps(body).encode()) == {"answer": "Hi", "body_format": body_format}


@pytest.mark.parametrize("payload", [b"", b"<html>", b"[]", b"null", b'{"choices": []}', b'{"generation": 7}'])
def test_a_body_of_unknown_shape_is_an_answer_all_the_same(payload: bytes) -> None:
    assert read_answer(payload) == {"answer": None, "body_format": None}


def test_a_long_answer_is_cut() -> None:
    assert len(str(read_answer(json.dumps({"generation": "x" * 9999}).encode())["answer"])) == LONGEST_ANSWER
