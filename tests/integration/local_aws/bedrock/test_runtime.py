"""What imported models answer: text that transformers generates too, in every body format, whole and in streams."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from botocore.config import Config
from botocore.exceptions import ClientError
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from tests.bedrock_stand_in import ACCOUNT, REGION, Aws, error_code, when_ready
from tests.tiny_mistral import change_json

PROMPTS = ["What is the capital of France?", "abc", "x" * 100]
CHAT = [{"role": "user", "content": "hello"}]
UNCHECKED = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


class Oracle:
    """transformers' own greedy answers from the same checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto")

    def prompt_ids(self, prompt: str) -> list[int]:
        return list(self.tokenizer(prompt)["input_ids"])

    def chat_ids(self, messages: list[dict[str, str]]) -> list[int]:
        return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True))

    def ids(self, prompt_ids: list[int], max_tokens: int) -> list[int]:
        prompt = torch.tensor([prompt_ids])
        mask = torch.ones_like(prompt)
        output = self.model.generate(prompt, attention_mask=mask, do_sample=False, max_new_tokens=max_tokens)
        return list(output[0][len(prompt_ids) :].tolist())

    def text(self, prompt_ids: list[int], max_tokens: int) -> str:
        return self.decoded(self.ids(prompt_ids, max_tokens))

    def decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))


@pytest.fixture(scope="module")
def oracle(checkpoint: Path) -> Oracle:
    return Oracle(checkpoint)


@pytest.fixture(scope="module")
def model(aws: Aws, s3_uri: str) -> Iterator[str]:
    """The ARN of an imported model that is warm."""
    aws.script("reset")
    arn = aws.import_model(s3_uri, "runtime")
    when_ready(lambda: invoke(aws, arn, prompt="x", max_gen_len=1))
    yield arn
    aws.script("reset")


@pytest.fixture(autouse=True)
def _no_faults(aws: Aws) -> Iterator[None]:
    yield
    aws.script("clear-faults")


def invoke(aws: Aws, model_id: str, **body: Any) -> dict[str, Any]:
    answer = aws.client("bedrock-runtime").invoke_model(modelId=model_id, body=json.dumps(body))
    return dict(json.loads(answer["body"].read()))


def stream(aws: Aws, model_id: str, **body: Any) -> list[dict[str, Any]]:
    answer = aws.client("bedrock-runtime").invoke_model_with_response_stream(modelId=model_id, body=json.dumps(body))
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


def converse(aws: Aws, model_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return dict(aws.client("bedrock-runtime").converse(**{"modelId": model_id, "messages": messages} | more))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_at_temperature_0_every_format_answers_what_transformers_answers(
    aws: Aws, model: str, oracle: Oracle, prompt: str
) -> None:
    ids = oracle.prompt_ids(prompt)
    expected = oracle.text(ids, 40)
    assert invoke(aws, model, prompt=prompt, max_gen_len=40, temperature=0) == {
        "generation": expected,
        "prompt_token_count": len(ids),
        "generation_token_count": 40,
        "stop_reason": "length",
    }
    completion = invoke(aws, model, prompt=prompt, max_tokens=40, temperature=0)
    assert completion["choices"] == [{"index": 0, "text": expected, "finish_reason": "length"}]
    assert completion["usage"] == {
        "prompt_tokens": len(ids),
        "completion_tokens": 40,
        "total_tokens": len(ids) + 40,
    }


def test_messages_go_through_the_chat_template(aws: Aws, model: str, oracle: Oracle) -> None:
    messages = [*CHAT, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and?"}]
    ids = oracle.chat_ids(messages)
    answer = invoke(aws, model, messages=messages, max_tokens=20, temperature=0)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": oracle.text(ids, 20)}
    assert answer["usage"]["prompt_tokens"] == len(ids)


def test_the_older_format_answers_with_outputs(aws: Aws, model: str, oracle: Oracle) -> None:
    aws.script("legacy-body-format", models=["runtime"])
    expected = oracle.text(oracle.prompt_ids("abc"), 9)
    answer = invoke(aws, model, prompt="abc", max_tokens=9, temperature=0)
    assert answer == {"outputs": [{"text": expected, "stop_reason": "length"}]}


def test_a_stop_sequence_ends_the_text_before_it(aws: Aws, model: str, oracle: Oracle) -> None:
    ids = oracle.ids(oracle.prompt_ids("abc"), 40)
    text = oracle.decoded(ids)
    stop = text[10:13]
    answer = invoke(aws, model, prompt="abc", max_tokens=40, temperature=0, stop=["not in it", stop])
    assert answer["choices"][0] == {"index": 0, "text": text[: text.index(stop)], "finish_reason": "stop"}
    needed = next(count for count in range(40) if stop in oracle.decoded(ids[:count]))
    assert answer["usage"]["completion_tokens"] == needed


def test_every_end_token_of_the_generation_config_ends_the_text(
    aws: Aws, model: str, checkpoint: Path, oracle: Oracle, tmp_path: Path
) -> None:
    ids = oracle.ids(oracle.prompt_ids("abc"), 40)
    end = next(token for place, token in enumerate(ids) if place >= 5 and token not in ids[:place])
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    change_json(folder / "generation_config.json", eos_token_id=[2, end])
    other = aws.import_model(aws.upload(folder, "two-ends"), "two-ends")
    answer = when_ready(lambda: invoke(aws, other, prompt="abc", max_gen_len=40, temperature=0))
    assert answer["stop_reason"] == "stop"
    assert answer["generation_token_count"] == ids.index(end) + 1
    aws.client("bedrock").delete_imported_model(modelIdentifier=other)


def test_above_temperature_0_answers_differ(aws: Aws, model: str) -> None:
    answers = {invoke(aws, model, prompt="abc", max_gen_len=30, temperature=1.0)["generation"] for _ in range(3)}
    assert len(answers) > 1


def test_sampling_from_one_token_is_greedy(aws: Aws, model: str, oracle: Oracle) -> None:
    expected = oracle.text(oracle.prompt_ids("abc"), 30)
    for choice in ({"top_k": 1}, {"top_p": 0}):
        answer = invoke(aws, model, prompt="abc", max_tokens=30, temperature=1, **choice)
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
    aws: Aws, model: str, oracle: Oracle, body: dict[str, Any], text_of: Any
) -> None:
    ids = oracle.chat_ids(CHAT) if "messages" in body else oracle.prompt_ids("abc")
    chunks = stream(aws, model, **body, temperature=0)
    assert "".join(text_of(chunk) for chunk in chunks) == oracle.text(ids, 50)
    assert len(chunks) > 30
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (len(ids), 50)
    assert metrics["firstByteLatency"] <= metrics["invocationLatency"]


def test_a_stream_tells_its_stop_reason_last(aws: Aws, model: str) -> None:
    chunks = stream(aws, model, prompt="abc", max_gen_len=5, temperature=0)
    assert [chunk["stop_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
    assert [chunk["prompt_token_count"] for chunk in chunks] == [3] + [None] * (len(chunks) - 1)
    assert chunks[-1]["generation_token_count"] == 5


def test_text_arrives_while_the_rest_is_still_being_generated(aws: Aws, model: str) -> None:
    started = time.monotonic()
    body = json.dumps({"prompt": "abc", "max_gen_len": 400, "temperature": 0})
    answer = aws.client("bedrock-runtime").invoke_model_with_response_stream(modelId=model, body=body)
    arrivals = [time.monotonic() - started for _ in answer["body"]]
    assert arrivals[0] < arrivals[-1] / 2
    assert len({round(arrival, 2) for arrival in arrivals}) > 5


def test_a_reader_who_goes_away_frees_the_model(aws: Aws, model: str) -> None:
    body = json.dumps({"prompt": "abc", "max_gen_len": 500, "temperature": 0})
    answer = aws.client("bedrock-runtime").invoke_model_with_response_stream(modelId=model, body=body)
    next(iter(answer["body"]))
    answer["body"].close()
    assert invoke(aws, model, prompt="abc", max_gen_len=1, temperature=0)["generation_token_count"] == 1


def test_converse_answers_what_the_chat_format_answers(aws: Aws, model: str, oracle: Oracle) -> None:
    ids = oracle.chat_ids(CHAT)
    answer = converse(aws, model, inferenceConfig={"maxTokens": 20, "temperature": 0})
    expected = oracle.text(ids, 20)
    assert answer["output"] == {"message": {"role": "assistant", "content": [{"text": expected}]}}
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"] == {"inputTokens": len(ids), "outputTokens": 20, "totalTokens": len(ids) + 20}
    assert answer["metrics"]["latencyMs"] >= 0


def test_converse_names_a_stop_sequence_as_the_reason(aws: Aws, model: str, oracle: Oracle) -> None:
    text = oracle.text(oracle.chat_ids(CHAT), 20)
    config = {"maxTokens": 20, "temperature": 0, "stopSequences": [text[4:6]]}
    answer = converse(aws, model, inferenceConfig=config)
    assert answer["stopReason"] == "stop_sequence"
    assert answer["output"]["message"]["content"] == [{"text": text[: text.index(text[4:6])]}]


def test_converse_stream_sends_the_same_text_in_events(aws: Aws, model: str, oracle: Oracle) -> None:
    answer = aws.client("bedrock-runtime").converse_stream(
        modelId=model,
        messages=[{"role": "user", "content": [{"text": "hello"}]}],
        inferenceConfig={"maxTokens": 30, "temperature": 0},
    )
    events = [next(iter(event.items())) for event in answer["stream"]]
    names = [name for name, _ in events]
    assert names[0] == "messageStart"
    assert set(names[1:-3]) == {"contentBlockDelta"}
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    text = "".join(content["delta"]["text"] for name, content in events if name == "contentBlockDelta")
    assert text == oracle.text(oracle.chat_ids(CHAT), 30)
    assert events[-2][1]["stopReason"] == "max_tokens"
    assert events[-1][1]["usage"]["outputTokens"] == 30


@pytest.fixture(scope="module")
def speechless(aws: Aws, model: str, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model without a chat template."""
    folder = tmp_path_factory.mktemp("speechless") / "checkpoint"
    shutil.copytree(checkpoint, folder)
    change_json(folder / "tokenizer_config.json", chat_template=None)
    return aws.import_model(aws.upload(folder, "speechless"), "speechless")


def test_a_model_without_a_template_takes_prompts_and_no_messages(aws: Aws, speechless: str) -> None:
    assert when_ready(lambda: invoke(aws, speechless, prompt="abc", max_gen_len=3))["generation_token_count"] == 3
    runtime = aws.client("bedrock-runtime")
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    for call in (
        lambda: runtime.converse(modelId=speechless, messages=messages),
        lambda: runtime.converse_stream(modelId=speechless, messages=messages),
        lambda: invoke(aws, speechless, messages=CHAT),
    ):
        with pytest.raises(runtime.exceptions.ValidationException):
            call()


def test_an_architecture_that_is_not_documented_for_converse_takes_messages_all_the_same(
    aws: Aws, model: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    Qwen2ForCausalLM(Qwen2Config(vocab_size=98, num_key_value_heads=2, **sizes)).save_pretrained(folder)
    arn = aws.import_model(aws.upload(folder, "qwen"), "qwen")
    assert aws.client("bedrock").get_imported_model(modelIdentifier=arn)["instructSupported"] is False
    with pytest.raises(ClientError, match="doesn't support the model"):
        converse(aws, arn)
    answer = when_ready(lambda: invoke(aws, arn, messages=CHAT, max_tokens=3))
    assert answer["usage"]["completion_tokens"] == 3
    aws.client("bedrock").delete_imported_model(modelIdentifier=arn)


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"",
        b"[]",
        b"{}",
        json.dumps({"prompt": "a", "messages": CHAT}).encode(),
        json.dumps({"prompt": 7}).encode(),
        json.dumps({"prompt": ""}).encode(),
        json.dumps({"prompt": "a", "temperature": 1.5}).encode(),
        json.dumps({"prompt": "a", "top_p": -0.1}).encode(),
        json.dumps({"prompt": "a", "max_gen_len": 0}).encode(),
        json.dumps({"prompt": "a", "max_tokens": 513}).encode(),
        json.dumps({"prompt": "a" * 513}).encode(),
        json.dumps({"messages": [{"role": "system", "content": "refused by this template"}]}).encode(),
        json.dumps({"prompt": "a" * (25 * 1024 * 1024)}).encode(),
    ],
    ids=lambda body: body[:60].decode(),
)
@pytest.mark.parametrize("operation", ["invoke_model", "invoke_model_with_response_stream"])
def test_a_bad_body_is_refused(aws: Aws, model: str, operation: str, body: bytes) -> None:
    runtime = aws.client("bedrock-runtime")
    with pytest.raises(runtime.exceptions.ValidationException):
        getattr(runtime, operation)(modelId=model, body=body)


@pytest.mark.parametrize(
    "more",
    [
        {"messages": []},
        {"messages": [{"role": "assistant", "content": [{"text": "me first"}]}]},
        {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": b"x"}}}]}]},
        {"system": [{"text": "refused by this template"}]},
        {"inferenceConfig": {"temperature": 1.5}},
        {"inferenceConfig": {"maxTokens": 0}},
        {"inferenceConfig": {"maxTokens": 100_000}},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}},
    ],
)
def test_a_bad_conversation_is_refused(aws: Aws, model: str, more: dict[str, Any]) -> None:
    runtime = aws.client("bedrock-runtime", config=UNCHECKED)
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    with pytest.raises(runtime.exceptions.ValidationException):
        runtime.converse(**{"modelId": model, "messages": messages} | more)


@pytest.mark.parametrize("headers", [{"contentType": "text/plain"}, {"accept": "text/html"}])
def test_other_media_types_than_json_are_refused(aws: Aws, model: str, headers: dict[str, str]) -> None:
    runtime = aws.client("bedrock-runtime")
    with pytest.raises(runtime.exceptions.ValidationException):
        runtime.invoke_model(modelId=model, body=b'{"prompt": "a"}', **headers)


def test_a_model_that_does_not_exist_is_not_found_and_a_name_is_no_identifier(aws: Aws, model: str) -> None:
    nothing = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/abcdefghijkl"
    for model_id, code in ((nothing, "ResourceNotFoundException"), ("runtime", "ValidationException")):
        with pytest.raises(ClientError) as caught:
            invoke(aws, model_id, prompt="a")
        assert error_code(caught.value) == code


def test_a_deleted_model_answers_no_more(aws: Aws, model: str, s3_uri: str) -> None:
    arn = aws.import_model(s3_uri, "deleted")
    when_ready(lambda: invoke(aws, arn, prompt="a", max_gen_len=1))
    aws.client("bedrock").delete_imported_model(modelIdentifier=arn)
    with pytest.raises(ClientError) as caught:
        invoke(aws, arn, prompt="a", max_gen_len=1)
    assert error_code(caught.value) == "ResourceNotFoundException"
