from __future__ import annotations

import json
from typing import Any

import pytest

from include.local_aws.bedrock.body import Piece
from include.local_aws.bedrock.body_formats import MAX_BODY_BYTES, BedrockCompletion, LegacyCompletion, read_body
from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import Constraint, ConstraintKind, Finish, Inference
from include.local_aws.bedrock.openai_formats import OpenAiChatCompletion, OpenAiCompletion

CHAT = [{"role": "user", "content": "hi"}]
ENDED = Inference("Paris", Finish.END_OF_TURN, 4, 2)
MODEL = "123456789012-abcdefghijkl"
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
        {"prompt": "hi", "structured_outputs": {"choice": ["a"]}},
        {"prompt": "hi", "logprobs": 1},
        {"prompt": "hi", "max_completion_tokens": 5},
        {"prompt": "hi", "max_tokens": 5, "max_completion_tokens": 5},
        {"prompt": "hi", "max_tokens": 5, "return_logprobs": True},
        {"prompt": "hi", "max_tokens": 5, "logprobs": 21},
        {"prompt": "hi", "max_tokens": 5, "structured_outputs": {"choice": ["a"], "regex": "a"}},
        {"prompt": "hi", "max_tokens": 5, "structured_outputs": {"choice": []}},
        {"prompt": "hi", "max_tokens": 5, "structured_outputs": {"structural_tag": "a"}},
        {"prompt": "hi", "max_tokens": 5, "response_format": {"type": "json_schema"}},
        {"prompt": "hi", "max_tokens": 5, "response_format": {"type": "xml"}},
        {"messages": CHAT, "response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}},
        {"messages": CHAT, "top_logprobs": 2},
        {"messages": CHAT, "return_logprobs": True},
    ],
)
def test_a_body_that_fits_no_format_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="Malformed input request"):
        read(**members).request()


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"n": 2}, "n"),
        ({"n": 2, "best_of": 3}, "best_of, n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "parts of type image_url",
        ),
        ({"messages": [*CHAT, {"role": "tool", "tool_call_id": "1", "content": "2"}]}, "tool calls"),
    ],
)
def test_a_documented_parameter_that_is_not_emulated_is_refused_by_name(members: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"does not emulate {named} of OpenAiChatCompletion\.$"):
        read(**{"messages": CHAT} | members)


@pytest.mark.parametrize(
    "members",
    [{"n": 1}, {"tools": None}, {"tools": []}, {"tool_choice": "auto"}, {"presence_penalty": 0.0}, {"user": "me"}],
)
def test_a_parameter_that_changes_nothing_is_taken(members: dict[str, Any]) -> None:
    assert read(messages=CHAT, **members).request() == read(messages=CHAT).request()


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize(
    ("members", "constraint"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Constraint(ConstraintKind.JSON, '{"type": "object"}')),
        (
            {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
            Constraint(ConstraintKind.JSON, json.dumps(SCHEMA)),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}},
            Constraint(ConstraintKind.JSON, json.dumps(SCHEMA)),
        ),
        ({"structured_outputs": {"json": SCHEMA}}, Constraint(ConstraintKind.JSON, json.dumps(SCHEMA))),
        ({"structured_outputs": {"regex": "a+"}}, Constraint(ConstraintKind.REGEX, "a+")),
        ({"structured_outputs": {"choice": ["a", "b"]}}, Constraint(ConstraintKind.CHOICE, '["a", "b"]')),
        ({"structured_outputs": {"grammar": 'root ::= "a"'}}, Constraint(ConstraintKind.GRAMMAR, 'root ::= "a"')),
    ],
)
def test_the_two_ways_to_structure_an_answer_become_one_constraint(
    members: dict[str, Any], constraint: Constraint | None
) -> None:
    assert read(messages=CHAT, **members).request().constraint == constraint


def test_either_name_limits_the_tokens_of_a_chat() -> None:
    assert read(messages=CHAT, max_tokens=7).request().max_tokens == 7
    assert read(messages=CHAT, max_completion_tokens=5, max_tokens=7).request().max_tokens == 5


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
    assert read(prompt="hi").answer(ENDED, MODEL) == {
        "generation": "Paris",
        "prompt_token_count": 4,
        "generation_token_count": 2,
        "stop_reason": "stop",
        "logprobs": None,
    }
    legacy = read(True, prompt="hi", max_tokens=1).answer(CUT, MODEL)
    assert legacy == {"outputs": [{"text": "Pa", "stop_reason": "length"}]}
    completion = read(prompt="hi", max_tokens=1).answer(CUT, MODEL)
    assert completion["id"].startswith("cmpl-")
    assert (completion["object"], completion["model"]) == ("text_completion", MODEL)
    assert {"index": 0, "text": "Pa", "finish_reason": "length", "logprobs": None}.items() <= _choice(
        completion
    ).items()
    assert {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5}.items() <= completion["usage"].items()
    chat = read(messages=CHAT).answer(ENDED, MODEL)
    assert chat["id"].startswith("chatcmpl-")
    assert (chat["object"], chat["model"]) == ("chat.completion", MODEL)
    assert {"index": 0, "finish_reason": "stop", "logprobs": None}.items() <= _choice(chat).items()
    assert {"role": "assistant", "content": "Paris"}.items() <= _choice(chat)["message"].items()


def _choice(answer: dict[str, Any]) -> dict[str, Any]:
    [choice] = answer["choices"]
    return dict(choice)


def test_the_chunks_of_one_answer_share_an_id_and_two_answers_do_not() -> None:
    first, second = read(messages=CHAT), read(messages=CHAT)
    ids = [body.piece(Piece("a", 1, 4), MODEL)["id"] for body in (first, first, second)]
    assert ids[0] == ids[1] != ids[2]


def test_only_the_first_chunk_names_the_role_and_only_the_last_the_reason() -> None:
    body = read(messages=CHAT)
    first, last = (_choice(body.piece(piece, MODEL)) for piece in (Piece("a", 1, 4), Piece("", 2, None, ENDED)))
    assert (first["delta"], first["finish_reason"]) == ({"role": "assistant", "content": "a"}, None)
    assert (last["delta"], last["finish_reason"]) == ({"content": ""}, "stop")
