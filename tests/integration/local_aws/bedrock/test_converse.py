"""Converse and ConverseStream, and who may use them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from transformers import Qwen2Config, Qwen2ForCausalLM

from tests.support.bedrock_stand_in import Aws, when_ready
from tests.support.greedy_oracle import GreedyOracle
from tests.support.tiny_mistral import change_json

CHAT = [{"role": "user", "content": "hello"}]


def test_converse_answers_what_the_chat_format_answers(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    ids = oracle.chat_ids(CHAT)
    answer = aws.converse(model, inferenceConfig={"maxTokens": 20, "temperature": 0})
    expected = oracle.text(ids, 20)
    assert answer["output"] == {"message": {"role": "assistant", "content": [{"text": expected}]}}
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"] == {"inputTokens": len(ids), "outputTokens": 20, "totalTokens": len(ids) + 20}
    assert answer["metrics"]["latencyMs"] >= 0


def test_converse_names_a_stop_sequence_as_the_reason(aws: Aws, model: str, oracle: GreedyOracle) -> None:
    text = oracle.text(oracle.chat_ids(CHAT), 20)
    config = {"maxTokens": 20, "temperature": 0, "stopSequences": [text[4:6]]}
    answer = aws.converse(model, inferenceConfig=config)
    assert answer["stopReason"] == "stop_sequence"
    assert answer["output"]["message"]["content"] == [{"text": text[: text.index(text[4:6])]}]


def test_converse_stream_sends_the_same_text_in_events(aws: Aws, model: str, oracle: GreedyOracle) -> None:
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
    assert when_ready(lambda: aws.invoke(speechless, prompt="abc", max_gen_len=3))["generation_token_count"] == 3
    runtime = aws.client("bedrock-runtime")
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    for call in (
        lambda: runtime.converse(modelId=speechless, messages=messages),
        lambda: runtime.converse_stream(modelId=speechless, messages=messages),
        lambda: aws.invoke(speechless, messages=CHAT),
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
        aws.converse(arn)
    answer = when_ready(lambda: aws.invoke(arn, messages=CHAT, max_tokens=3))
    assert answer["usage"]["completion_tokens"] == 3
    aws.client("bedrock").delete_imported_model(modelIdentifier=arn)
