"""Bedrock requests that try again where a refusal may pass."""

from __future__ import annotations

from typing import Any

from include.aws.s3 import patiently
from include.aws.transient import error_code, is_worth_repeating

#: What a model answers while something is being done to it.
CONFLICT_CODE = "ConflictException"
#: Both were seen in answer to the ARN of a model that does not exist.
NOT_FOUND_CODES = frozenset({"ResourceNotFoundException", "ValidationException"})
ATTEMPTS = 8


def _may_pass(error: BaseException) -> bool:
    return is_worth_repeating(error) or error_code(error) == CONFLICT_CODE


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
