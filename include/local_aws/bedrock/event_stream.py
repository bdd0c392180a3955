"""Amazon event stream messages, as botocore reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from moto.core.eventstream import EventStreamEncoder

from include.local_aws.bedrock.errors import BedrockError

CONTENT_TYPE = "application/vnd.amazon.eventstream"


def encode_event(name: str, content: Mapping[str, Any]) -> bytes:
    """Return one event with a JSON payload."""
    return _encode({":event-type": name, ":message-type": "event"}, content)


def encode_chunk(chunk: Mapping[str, Any]) -> bytes:
    """Return one piece of a streamed InvokeModel answer."""
    return encode_event("chunk", {"bytes": base64.b64encode(json.dumps(chunk).encode()).decode()})


def encode_error(error: BedrockError) -> bytes:
    """Return the event that ends a stream with an error."""
    name = error.code[0].lower() + error.code[1:]
    return _encode({":exception-type": name, ":message-type": "exception"}, {"message": error.message})


def _encode(headers: Mapping[str, str], content: Mapping[str, Any]) -> bytes:
    all_headers = {**headers, ":content-type": "application/json"}
    return bytes(EventStreamEncoder().encode_message(all_headers, json.dumps(content).encode()))
