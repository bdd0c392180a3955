"""Send requests to AWS and retry transient failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from include.aws.transient import error_code, is_worth_repeating

T = TypeVar("T")

ATTEMPTS = 8
#: What a model answers while something is being done to it.
CONFLICT_CODE = "ConflictException"
#: Both were seen in answer to the ARN of a model that does not exist.
NOT_FOUND_CODES = frozenset({"ResourceNotFoundException", "ValidationException"})
#: The answer to a policy's condition on the model's tags, as the stack's policies have: a deleted model has none.
DENIED_CODE = "AccessDeniedException"


def patiently(
    call: Callable[[], T], attempts: int = ATTEMPTS, may_pass: Callable[[BaseException], bool] = is_worth_repeating
) -> T:
    """Return what ``call`` returns; retry transient failures with exponential backoff."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.2, max=20),
        retry=retry_if_exception(may_pass),
        reraise=True,
    )
    return retrying(call)


def request(client: Any, operation: str, **arguments: Any) -> dict[str, Any]:
    """Send one request; retry with exponential backoff while it is throttled or in conflict, raise other errors."""
    answer: dict[str, Any] = patiently(lambda: getattr(client, operation)(**arguments), may_pass=_may_pass)
    return answer


def find(client: Any, operation: str, **arguments: Any) -> dict[str, Any] | None:
    """Return the description of a job or model, or None if it does not exist."""
    from botocore.exceptions import ClientError

    try:
        return request(client, operation, **arguments)
    except ClientError as error:
        if error_code(error) in NOT_FOUND_CODES:
            return None
        raise


def find_imported_model(bedrock: Any, identifier: str) -> dict[str, Any] | None:
    """Return GetImportedModel's response for this name or ARN, or None if there is no such model."""
    return find(bedrock, "get_imported_model", modelIdentifier=identifier)


def is_gone(bedrock: Any, imported_model_arn: str, error: Exception) -> bool:
    """Return whether a request about an imported model failed because there is no such model."""
    if error_code(error) not in NOT_FOUND_CODES | {DENIED_CODE}:
        return False
    return find_imported_model(bedrock, imported_model_arn) is None


def _may_pass(error: BaseException) -> bool:
    return is_worth_repeating(error) or error_code(error) == CONFLICT_CODE
