"""Bedrock requests that try again where a refusal may pass."""

from __future__ import annotations

from typing import Any

from include.sources.s3_requests import patiently

#: Throttling, and what a model answers while something is being done to it.
PASSING_CODES = frozenset(
    {
        "ThrottlingException",
        "TooManyRequestsException",
        "ConflictException",
        "InternalServerException",
        "ServiceUnavailableException",
    }
)
#: Both were seen in answer to the ARN of a model that does not exist.
NOT_FOUND_CODES = frozenset({"ResourceNotFoundException", "ValidationException"})
ATTEMPTS = 8


def error_code(error: BaseException) -> str:
    """Return the code of a ClientError; of any other error nothing."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _may_pass(error: BaseException) -> bool:
    from botocore.exceptions import HTTPClientError

    return error_code(error) in PASSING_CODES or isinstance(error, HTTPClientError)


def request(client: Any, operation: str, **arguments: Any) -> dict[str, Any]:
    """Do one request, again after growing waits while it is throttled or in conflict; other errors are raised."""
    answer: dict[str, Any] = patiently(lambda: getattr(client, operation)(**arguments), ATTEMPTS, _may_pass)
    return answer


def find(client: Any, operation: str, **arguments: Any) -> dict[str, Any] | None:
    """Return the answer about a job or model, or None if there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return request(client, operation, **arguments)
    except ClientError as error:
        if error_code(error) in NOT_FOUND_CODES:
            return None
        raise
