"""What it means for a question when the model does not answer it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    SSLError,
)

from include.evaluation.errors import ResponseSchemaError

#: throttled, cold, unreachable: wait and ask again until the deadline. timeout, error: ask again a few times.
#: refused: the record has an error. fatal: no question would be answered, so the evaluation ends.
Refusal = Literal["throttled", "cold", "unreachable", "timeout", "error", "refused", "fatal"]

#: Errors of InvokeModel and Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
_BY_CODE: Mapping[str, Refusal] = {
    "ThrottlingException": "throttled",
    "ServiceUnavailableException": "throttled",
    "ServiceQuotaExceededException": "throttled",
    "ModelNotReadyException": "cold",
    "ModelTimeoutException": "timeout",
    "ModelErrorException": "error",
    "InternalServerException": "error",
    "ValidationException": "refused",
}

_BY_TYPE: tuple[tuple[type[Exception], Refusal], ...] = (
    (ReadTimeoutError, "timeout"),
    (SSLError, "fatal"),
    (ConnectionError, "unreachable"),
    (HTTPClientError, "unreachable"),
    (IncompleteReadError, "unreachable"),
    (ResponseSchemaError, "refused"),
)

NOT_ANSWERED = (ClientError, BotoCoreError, ResponseSchemaError)


def refusal_of(error: Exception) -> Refusal:
    """Return what the failure of a call means."""
    if isinstance(error, ClientError):
        return _BY_CODE.get(error.response["Error"]["Code"], "fatal")
    return next((refusal for kind, refusal in _BY_TYPE if isinstance(error, kind)), "fatal")
