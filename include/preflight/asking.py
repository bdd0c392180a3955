"""Query AWS, and turn refusals into findings."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from include.aws.remedies import remedy_for_no_answer
from include.aws.transient import EXPIRED_CREDENTIALS, NO_ANSWER, error_code, is_unreachable, transient_cause
from include.errors import ModelImportError
from include.preflight.findings import Finding

T = TypeVar("T")
#: What a check is: it yields findings, and may return what it learnt.
Check = Generator[Finding, None, T]

#: Error codes with which AWS says that the caller has no right to ask.
NO_RIGHT_TO_ASK = {"AccessDenied", "AccessDeniedException", "403", "Forbidden", "UnauthorizedOperation"}
_RUN_AGAIN = "Run again; if it persists, see the AWS documentation of this error."
#: Actions of services whose answers a run can do without; a closed network may have no route to them.
_DISPENSABLE = ("iam:", "kms:")
#: Error codes with which AWS says that the credentials themselves are no good.
BAD_CREDENTIALS = EXPIRED_CREDENTIALS | {
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure",
}  # fmt: skip
#: Error codes with which AWS refuses a request whose date is too far from its own, or whose key is wrong.
SIGNED_AT_A_WRONG_TIME = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"})


def guarded(check: str, which: str, right: str, findings: Check[T]) -> Check[T | None]:
    """Yield the findings of a check; a refusal of AWS becomes a finding that replaces the rest.

    The finding holds a transient error as its cause, so that preflight is retried if nothing else is wrong.
    That IAM or KMS cannot be reached is a warning, as if the caller might not ask.

    Args:
        check: what is checked.
        which: the name or ARN it is about.
        right: the action that the caller needs for the check; without it the check is skipped with a warning.
        findings: the check, which asks AWS as it goes. What it returns is returned.
    """
    from botocore.exceptions import ClientError

    try:
        return (yield from findings)
    except ClientError as error:
        yield _refusal(check, which, right, error)
    except NO_ANSWER as error:
        yield _no_answer(check, which, right, error)
    except ModelImportError as error:
        if not (cause := transient_cause(error)):
            raise
        yield Finding("error", check, which, error.finding, error.remedy or _RUN_AGAIN, cause)
    return None


def collected(check: Check[T]) -> tuple[list[Finding], T]:
    """Return all findings of a check, and its return value."""
    findings: list[Finding] = []
    while True:
        try:
            findings.append(next(check))
        except StopIteration as end:
            return findings, end.value


def is_denied(error: BaseException) -> bool:
    """Return whether a missing permission caused the error."""
    from botocore.exceptions import ClientError

    causes = (error.__cause__, getattr(error.__cause__, "__cause__", None))
    return any(isinstance(cause, ClientError) and error_code(cause) in NO_RIGHT_TO_ASK for cause in causes)


def _no_answer(check: str, which: str, right: str, error: BaseException) -> Finding:
    if right.startswith(_DISPENSABLE) and is_unreachable(error):
        remedy = "See docs/preflight.md for closed networks; elsewhere, check the network."
        return Finding("warning", check, which, f"not checked: {error}", remedy)
    found = f"it cannot be asked: {error}"
    return Finding("error", check, which, found, remedy_for_no_answer(error), transient_cause(error))


def _refusal(check: str, which: str, right: str, error: Any) -> Finding:
    code, message = error_code(error), error.response.get("Error", {}).get("Message", "")
    if code in NO_RIGHT_TO_ASK:
        return Finding("warning", check, which, f"not checked: the caller may not ask ({code})", f"Grant {right}.")
    found = f"{error.operation_name} answers {code}: {message}"
    return Finding("error", check, which, found, _remedy(code), transient_cause(error))


def _remedy(code: str) -> str:
    if code in SIGNED_AT_A_WRONG_TIME:
        return "Synchronise this machine's clock; if it is right, renew the credentials of the Airflow connection."
    if code in BAD_CREDENTIALS:
        return "Renew the credentials of the Airflow connection."
    return _RUN_AGAIN
