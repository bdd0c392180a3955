"""InvokeModel: the text that transformers generates too, in every body format, whole and in streams."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bedrock_stand_in import ACCOUNT, Aws, when_ready
from tests.support.greedy_oracle import GreedyOracle
from tests.support.tiny_mistral import change_json

CHAT = [{"role": "user", "content": "hello"}]
PROMPTS = ["What is the capital of France?", "abc", "x" * 100]


@pytest.fixture(autouse=True)
def _no_faults(aws: Aws) -> Iterator[None]:
    yield
    aws.script("clear-faults")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_at_temperature_0_every_format_answers_what_transformers_answers(
    aws: Aws, model: str, oracle: GreedyOracle, prompt: str
) -> None:
    ids = oracle.prompt_ids(prompt)
    expected = oracle.text(ids, 40)
    assert aws.invoke(model, prompt=prompt, max_gen_len=40, temperature=0) == {
        "generation": expected,
        "prompt_token_count": len(ids),
        "generation_token_count": 40,
        "stop_reason": "length",
        "logprobs": None,
    }
    completion = aws.invoke(model, prompt=prompt, max_tokens=40, temperature=0)
    [choice] = completion["choices"]
    assert (choice["text"], choice["finish_reason"]) == (expected, "length")
    counts = {"prompt_tokens": len(ids), "completion_tokens": 40, "total_tokens": len(ids) + 40}
    assert counts.items() <= completion["usage"].items()
    assert completion["model"] == f"{ACCOUNT}-{model.rpartition('/')[2]}"


def test_messages_go_through_the_chat_template(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    messages = [*CHAT, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and?"}]
    ids = oracle.chat_ids(messages)
    answer = aws.invoke(model, messages=messages, max_tokens=20, temperature=0)
    message = answer["choices"][0]["message"]
    assert (message["role"], message["content"]) == ("assistant", oracle.text(ids, 20))
    assert answer["usage"]["prompt_tokens"] == len(ids)


def test_the_older_format_answers_with_outputs(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    aws.script("legacy-body-format", models=["capitals"])
    expected = oracle.text(oracle.prompt_ids("abc"), 9)
    answer = aws.invoke(model, prompt="abc", max_tokens=9, temperature=0)
    assert answer == {"outputs": [{"text": expected, "stop_reason": "length"}]}


def test_a_stop_sequence_ends_the_text_before_it(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    ids = oracle.ids(oracle.prompt_ids("abc"), 40)
    text = oracle.decoded(ids)
    stop = text[10:13]
    answer = aws.invoke(model, prompt="abc", max_tokens=40, temperature=0, stop=["not in it", stop])
    [choice] = answer["choices"]
    assert (choice["text"], choice["finish_reason"]) == (text[: text.index(stop)], "stop")
    needed = next(count for count in range(40) if stop in oracle.decoded(ids[:count]))
    assert answer["usage"]["completion_tokens"] == needed


def test_every_end_token_of_the_generation_config_ends_the_text(
    aws: Aws, model: str, checkpoint: Path, oracle: GreedyOracle, tmp_path: Path
) -> None:
    ids = oracle.ids(oracle.prompt_ids("abc"), 40)
    end = next(token for place, token in enumerate(ids) if place >= 5 and token not in ids[:place])
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    change_json(folder / "generation_config.json", eos_token_id=[2, end])
    other = aws.import_model(aws.upload(folder, "two-ends"), "two-ends")
    answer = when_ready(lambda: aws.invoke(other, prompt="abc", max_gen_len=40, temperature=0))
    assert answer["stop_reason"] == "stop"
    assert answer["generation_token_count"] == ids.index(end) + 1
    aws.client("bedrock").delete_imported_model(modelIdentifier=other)


def test_above_temperature_0_answers_differ(aws: Aws, model: str) -> None:
    answers = {aws.invoke(model, prompt="abc", max_gen_len=30, temperature=1.0)["generation"] for _ in range(3)}
    assert len(answers) > 1


def test_sampling_from_one_token_is_greedy(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    expected = oracle.text(oracle.prompt_ids("abc"), 30)
    for choice in ({"top_k": 1}, {"top_p": 0}):
        answer = aws.invoke(model, prompt="abc", max_tokens=30, temperature=1, **choice)
        assert answer["choices"][0]["text"] == expected


def test_the_headers_tell_tokens_and_latency(aws: Aws, model: str) -> None:
    answer = aws.client("bedrock-runtime").invoke_model(
        modelId=model, body=json.dumps({"prompt": "abc", "max_gen_len": 3}), contentType="application/json"
    )
    assert answer["contentType"] == "application/json"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == "3"
    assert headers["x-amzn-bedrock-output-token-count"] == "3"
    assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0


@pytest.mark.parametrize(
    ("body", "text_of"),
    [
        ({"prompt": "abc", "max_gen_len": 50}, lambda chunk: chunk["generation"]),
        ({"prompt": "abc", "max_tokens": 50}, lambda chunk: chunk["choices"][0]["text"]),
        ({"messages": CHAT, "max_tokens": 50}, lambda chunk: chunk["choices"][0]["delta"]["content"]),
    ],
)
def test_the_chunks_of_a_stream_make_up_the_whole_answer(
    aws: Aws, model: str, oracle: GreedyOracle, body: dict[str, Any], text_of: Any
) -> None:
    ids = oracle.chat_ids(CHAT) if "messages" in body else oracle.prompt_ids("abc")
    chunks = aws.stream(model, **body, temperature=0)
    assert "".join(text_of(chunk) for chunk in chunks) == oracle.text(ids, 50)
    assert len(chunks) > 30
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (len(ids), 50)
    assert metrics["firstByteLatency"] <= metrics["invocationLatency"]


def test_a_stream_tells_its_stop_reason_last(aws: Aws, model: str) -> None:
    chunks = aws.stream(model, prompt="abc", max_gen_len=5, temperature=0)
    assert [chunk["stop_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
    assert [chunk["prompt_token_count"] for chunk in chunks] == [3] + [None] * (len(chunks) - 1)
    assert chunks[-1]["generation_token_count"] == 5


def test_text_arrives_while_the_rest_is_still_being_generated(aws: Aws, model: str) -> None:
    def arrivals() -> list[float]:
        started = time.monotonic()
        body = json.dumps({"prompt": "abc", "max_gen_len": 400, "temperature": 0})
        answer = aws.client("bedrock-runtime").invoke_model_with_response_stream(modelId=model, body=body)
        return [time.monotonic() - started for _ in answer["body"]]

    # On a busy machine this reader may be let in only after the writer has finished; not every time.
    answers = [arrivals() for _ in range(5)]
    assert any(answer[0] < answer[-1] / 2 for answer in answers)
    assert any(len({round(arrival, 2) for arrival in answer}) > 5 for answer in answers)


def test_a_reader_who_goes_away_frees_the_model(aws: Aws, model: str) -> None:
    body = json.dumps({"prompt": "abc", "max_gen_len": 500, "temperature": 0})
    answer = aws.client("bedrock-runtime").invoke_model_with_response_stream(modelId=model, body=body)
    next(iter(answer["body"]))
    answer["body"].close()
    assert aws.invoke(model, prompt="abc", max_gen_len=1, temperature=0)["generation_token_count"] == 1
