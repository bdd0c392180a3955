"""Classify transient AWS errors. Decided by error class and code, never by a message's text."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from airflow.providers.amazon.aws.utils.waiter_with_logging import RETRIABLE_ERROR_CODES
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotocoreConnectionError,
)
from botocore.parsers import ResponseParserError

AwsError = ClientError | BotoCoreError | ResponseParserError
#: What an except clause takes; ``AwsError`` is the same as a type.
AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)

EXPIRED_CREDENTIALS_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
TRANSIENT_CODES = (
    RETRIABLE_ERROR_CODES
    | EXPIRED_CREDENTIALS_CODES
    | {
        "InternalFailure", "InternalServerException", "ModelTimeoutException", "RequestTimeout",
        "RequestTimeoutException", "ServiceUnavailableException",
    }
)  # fmt: skip
TRANSIENT_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
TRANSIENT_CLASSES = (
    BotocoreConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    ResponseParserError,  # a gateway answered in the service's place
)


def error_code(error: AwsError) -> str:
    """Return the service's error code, or the name of botocore's class where no answer came."""
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"])
    return type(error).__name__


def is_transient(error: AwsError) -> bool:
    """Return whether the same request may succeed later: throttling, network, outages, credentials to be renewed."""
    if not isinstance(error, ClientError):
        return isinstance(error, TRANSIENT_CLASSES)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.OK)
    outage = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in TRANSIENT_STATUSES
    return error_code(error) in TRANSIENT_CODES or outage


def describe(error: AwsError) -> dict[str, Any]:
    """Return the parts of an error that cross the deferral boundary."""
    if not isinstance(error, ClientError):
        return {"code": error_code(error), "message": str(error), "operation": "the request"}
    return {
        "code": error_code(error),
        "message": error.response["Error"].get("Message", ""),
        "operation": error.operation_name,
    }
