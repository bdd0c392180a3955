"""What the runtime refuses, and with which error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.bedrock_stand_in import ACCOUNT, REGION, Aws, error_code, when_ready

CHAT = [{"role": "user", "content": "hello"}]
UNCHECKED = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


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
    for model_id, code in ((nothing, "ResourceNotFoundException"), ("capitals", "ValidationException")):
        with pytest.raises(ClientError) as caught:
            aws.invoke(model_id, prompt="a")
        assert error_code(caught.value) == code


def test_a_deleted_model_answers_no_more(aws: Aws, model: str, s3_uri: str) -> None:
    arn = aws.import_model(s3_uri, "deleted")
    when_ready(lambda: aws.invoke(arn, prompt="a", max_gen_len=1))
    aws.client("bedrock").delete_imported_model(modelIdentifier=arn)
    with pytest.raises(ClientError) as caught:
        aws.invoke(arn, prompt="a", max_gen_len=1)
    assert error_code(caught.value) == "ResourceNotFoundException"
