"""Answers that must match a constraint, and the log probabilities of tokens, in the forms that are documented."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import jsonschema
import pytest
import torch
from botocore.exceptions import ClientError

from tests.support.bedrock_stand_in import Aws, error_code
from tests.support.greedy_oracle import GreedyOracle

CHAT = [{"role": "user", "content": "hello"}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}, "people": {"type": "integer", "maximum": 99}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
FORMATS: dict[str, dict[str, Any]] = {
    "BedrockCompletion": {"prompt": "abc", "max_gen_len": 200},
    "OpenAICompletion": {"prompt": "abc", "max_tokens": 200},
    "OpenAIChatCompletion": {"messages": CHAT, "max_tokens": 200},
}


def text_of(answer: dict[str, Any]) -> str:
    if "generation" in answer:
        return str(answer["generation"])
    [choice] = answer["choices"]
    return str(choice["text"] if "text" in choice else choice["message"]["content"])


@pytest.mark.parametrize("members", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("temperature", [0, 1])
def test_an_answer_keeps_to_a_json_schema_in_every_format(
    aws: Aws, model: str, members: dict[str, Any], temperature: float
) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    answer = aws.invoke(model, **members, temperature=temperature, response_format=wanted)
    jsonschema.validate(json.loads(text_of(answer)), SCHEMA)
    assert answer.get("stop_reason", "stop") == "stop"


@pytest.mark.parametrize(
    ("outputs", "pattern"),
    [
        ({"regex": "[0-9]{3}-[a-z]{2}"}, "[0-9]{3}-[a-z]{2}"),
        ({"choice": ["yes", "no", 'it "depends"']}, 'yes|no|it "depends"'),
        ({"grammar": 'root ::= "SELECT " column\ncolumn ::= "a" | "b"'}, "SELECT [ab]"),
        ({"grammar": 'start: "a" b\nb: "b" | "c"'}, "a[bc]"),
        ({"json": {"enum": [1, 2]}}, "[12]"),
    ],
)
@pytest.mark.parametrize("name", ["OpenAICompletion", "OpenAIChatCompletion"])
def test_an_answer_keeps_to_structured_outputs(
    aws: Aws, model: str, name: str, outputs: dict[str, Any], pattern: str
) -> None:
    answer = aws.invoke(model, **FORMATS[name], temperature=0, structured_outputs=outputs)
    assert re.fullmatch(pattern, text_of(answer))
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_stream_keeps_to_a_constraint(aws: Aws, model: str) -> None:
    chunks = aws.stream(model, prompt="abc", max_tokens=20, temperature=0, structured_outputs={"choice": ["yes", "no"]})
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) in ("yes", "no")


@pytest.mark.parametrize(
    "outputs", [{"regex": "("}, {"grammar": "?"}, {"json": "no schema"}, {"json": {"type": "no type"}}], ids=str
)
@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_a_constraint_that_cannot_be_used_is_refused(aws: Aws, model: str, call: str, outputs: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="The constraint of kind") as raised:
        getattr(aws, call)(model, prompt="abc", max_tokens=20, structured_outputs=outputs)
    assert error_code(raised.value) == "ValidationException"


class Probabilities:
    """What transformers computes for a prompt and its greedy answer."""

    def __init__(self, oracle: GreedyOracle, prompt: list[int], count: int) -> None:
        self.prompt, self.answer = prompt, oracle.ids(prompt, count)
        with torch.inference_mode():
            logits = oracle.model(torch.tensor([prompt + self.answer])).logits[0].float()
        self.logprobs = logits.log_softmax(-1)

    def of_answer(self) -> list[float]:
        start = len(self.prompt) - 1
        return [float(self.logprobs[start + place, token]) for place, token in enumerate(self.answer)]

    def of_prompt(self) -> list[float]:
        return [float(self.logprobs[place, token]) for place, token in enumerate(self.prompt[1:])]


def test_a_completion_has_log_probabilities_by_token_id_when_it_asks_for_them(
    aws: Aws, model: str, oracle: GreedyOracle
) -> None:
    expected = Probabilities(oracle, oracle.prompt_ids("abc"), 8)
    answer = aws.invoke(model, prompt="abc", max_gen_len=8, temperature=0, return_logprobs=True)
    assert [list(entry) for entry in answer["logprobs"]] == [[str(token)] for token in expected.answer]
    assert [value for entry in answer["logprobs"] for value in entry.values()] == pytest.approx(
        expected.of_answer(), abs=1e-2
    )
    first, *rest = answer["prompt_logprobs"]
    assert first is None
    assert [value for entry in rest for value in entry.values()] == pytest.approx(expected.of_prompt(), abs=1e-2)


def test_openais_formats_have_the_members_of_openai_and_vllm(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    expected = Probabilities(oracle, oracle.prompt_ids("abc"), 8)
    asked = {"max_tokens": 8, "temperature": 0, "prompt_logprobs": 1}
    [choice] = aws.invoke(model, prompt="abc", logprobs=3, **asked)["choices"]
    logprobs = choice["logprobs"]
    assert oracle.decoded(expected.answer) == choice["text"]
    assert logprobs["tokens"] == [oracle.tokenizer.decode([token]) for token in expected.answer]
    assert logprobs["token_logprobs"] == pytest.approx(expected.of_answer(), abs=1e-2)
    assert logprobs["text_offset"][:2] == [0, len(logprobs["tokens"][0])]
    assert [len(top) for top in logprobs["top_logprobs"]] == [3] * 8
    assert all(min(one["rank"] for one in entry.values()) == 1 for entry in choice["prompt_logprobs"][1:])
    chat = aws.invoke(model, messages=CHAT, logprobs=True, top_logprobs=2, **asked)
    content = chat["choices"][0]["logprobs"]["content"]
    assert len(content) == chat["usage"]["completion_tokens"]
    assert all(bytes(token["bytes"]).decode() == token["token"] for token in content)
    assert all(token["logprob"] == token["top_logprobs"][0]["logprob"] for token in content)
    assert chat["prompt_logprobs"][0] is None
    assert len(chat["prompt_logprobs"]) == chat["usage"]["prompt_tokens"]


def test_log_probabilities_are_the_models_own_also_under_a_constraint(aws: Aws, model: str) -> None:
    answer = aws.invoke(
        model, prompt="abc", max_tokens=20, temperature=0, logprobs=1, structured_outputs={"choice": ["yes", "no"]}
    )
    assert sum(map(math.exp, answer["choices"][0]["logprobs"]["token_logprobs"])) < 1


def test_log_probabilities_of_a_stream_are_refused_by_name(aws: Aws, model: str) -> None:
    with pytest.raises(ClientError, match="log probabilities of streams"):
        aws.stream(model, prompt="abc", max_tokens=2, logprobs=1)


def test_a_seed_makes_an_answer_again(aws: Aws, model: str) -> None:
    answers = {text_of(aws.invoke(model, prompt="abc", max_tokens=30, temperature=1, seed=7)) for _ in range(3)}
    assert len(answers) == 1
