"""Python code to copy that asks an imported model a question."""

from __future__ import annotations

from bedrock_import.links import is_aws

_CODE = """import json
import boto3

runtime = boto3.client("bedrock-runtime", region_name="{region_name}"{endpoint})
body = json.dumps({body})
answer = runtime.invoke_model(modelId="{arn}", body=body)
print(json.load(answer["body"]))
"""
_CHAT = '{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 64}'
_COMPLETION = '{"prompt": "Hello", "max_tokens": 64}'
_CHAT_FORMATS = ("OpenAIChatCompletion", "Converse")


def snippet(imported_model_arn: str, region_name: str, runtime_url: str, body_format: str = "") -> str:
    """Return the code; with the connection's endpoint where that is not AWS's."""
    endpoint = "" if is_aws(runtime_url) else f', endpoint_url="{runtime_url}"'
    body = _CHAT if body_format in _CHAT_FORMATS else _COMPLETION
    return _CODE.format(arn=imported_model_arn, region_name=region_name, endpoint=endpoint, body=body)
