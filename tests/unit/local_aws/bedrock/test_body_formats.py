from __future__ import annotations

import json
from typing import Any

import pytest

from include.local_aws.bedrock.body_formats import (
    MAX_BODY_BYTES,
    BedrockCompletion,
    LegacyCompletion,
    OpenAiChatCompletion,
    OpenAiCompletion,
    Piece,
    read_body,
)
from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import Finish, Inference

CHAT = [{"role": "user", "content": "hi"}]
ENDED = Inference("Paris", Finish.END_OF_TURN, 4, 2)
CUT = Inference("Pa", Finish.MAX_TOKENS, 4, 1)


def read(legacy: bool = False, **members: Any) -> Any:
    return read_body(json.dumps(members).encode(), legacy)


@pytest.mark.parametrize(
    ("members", "legacy", "kind"),
    [
        ({"prompt": "hi"}, False, BedrockCompletion),
        ({"prompt": "hi", "max_gen_len": 5}, False, BedrockCompletion),
        ({"prompt": "hi", "max_tokens": 5}, False, OpenAiCompletion),
        ({"messages": CHAT, "max_tokens": 5}, False, OpenAiChatCompletion),
        ({"prompt": "hi", "max_tokens": 5}, True, LegacyCompletion),
        ({"prompt": "hi", "max_gen_len": 5}, True, BedrockCompletion),
    ],
)
def test_the_members_of_a_body_choose_its_format(members: dict[str, Any], legacy: bool, kind: type) -> None:
    assert type(read(legacy, **members)) is kind


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"max_tokens": 5},
        {"prompt": "hi", "messages": CHAT},
        {"prompt": "hi", "max_tokens": 5, "max_gen_len": 5},
        {"prompt": ["hi"]},
        {"prompt": "hi", "max_gen_len": 0},
        {"prompt": "hi", "max_tokens": "5"},
        {"prompt": "hi", "max_tokens": 5.5},
        {"prompt": "hi", "temperature": 1.1},
        {"prompt": "hi", "max_tokens": 5, "temperature": 2.1},
        {"prompt": "hi", "top_p": 1.5},
        {"prompt": "hi", "top_p": "0.5"},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    ],
)
def test_a_body_that_fits_no_format_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="Malformed input request"):
        read(**members)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"hi"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read_body(body, False)


def test_a_body_of_more_than_25_mb_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="bytes"):
        read(prompt="x" * MAX_BODY_BYTES)


def test_unknown_parameters_are_ignored() -> None:
    assert read(prompt="hi", max_new_tokens=5).request().max_tokens is None


def test_the_sampling_parameters_reach_the_request() -> None:
    request = read(prompt="hi", max_tokens=5, temperature=0, top_p=1, top_k=3, stop="\n").request()
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (5, 0, 1, 3)
    assert request.stop == ("\n",)


def test_the_parts_of_a_chat_message_are_joined() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read(messages=[{"role": "user", "content": content}]).request().messages[0]["content"] == "ab"


def test_every_format_tells_text_tokens_and_stop_reason() -> None:
    assert read(prompt="hi").answer(ENDED) == {
        "generation": "Paris",
        "prompt_token_count": 4,
        "generation_token_count": 2,
        "stop_reason": "stop",
    }
    assert read(True, prompt="hi", max_tokens=1).answer(CUT) == {"outputs": [{"text": "Pa", "stop_reason": "length"}]}
    completion = read(prompt="hi", max_tokens=1).answer(CUT)
    assert completion["id"].startswith("cmpl-")
    assert completion["object"] == "text_completion"
    assert completion["choices"] == [{"index": 0, "text": "Pa", "finish_reason": "length"}]
    assert completion["usage"] == {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5}
    chat = read(messages=CHAT).answer(ENDED)
    assert chat["id"].startswith("chatcmpl-")
    assert chat["object"] == "chat.completion"
    message = {"role": "assistant", "content": "Paris"}
    assert chat["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]


def test_the_chunks_of_one_answer_share_an_id_and_two_answers_do_not() -> None:
    first, second = read(messages=CHAT), read(messages=CHAT)
    assert first.piece(Piece("a", 1, 4))["id"] == first.piece(Piece("b", 2))["id"] != second.piece(Piece("a", 1))["id"]


def test_only_the_first_chunk_names_the_role_and_only_the_last_the_reason() -> None:
    body = read(messages=CHAT)
    first, last = body.piece(Piece("a", 1, 4)), body.piece(Piece("", 2, None, ENDED))
    assert first["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}]
    assert last["choices"] == [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]
