"""Ask AWS, and turn what it refuses into findings."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from include.aws.transient import EXPIRED_CREDENTIALS, error_code, transient_cause, transient_fault
from include.errors import ModelImportError
from include.preflight.findings import Finding

T = TypeVar("T")
#: What a check is: it yields findings, and may return what it learnt.
Check = Generator[Finding, None, T]

#: Error codes with which AWS says that the caller has no right to ask.
NO_RIGHT_TO_ASK = {"AccessDenied", "AccessDeniedException", "403", "Forbidden", "UnauthorizedOperation"}
_RUN_AGAIN = "Run again; if it persists, see the AWS documentation of this error."
#: Error codes with which AWS says that the credentials themselves are no good.
BAD_CREDENTIALS = EXPIRED_CREDENTIALS | {
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure",
}  # fmt: skip


def guarded(check: str, which: str, right: str, findings: Check[T]) -> Check[T | None]:
    """Yield the findings of a check; when AWS refuses to answer, a finding that says so takes the place of the rest.

    A transient error is noted in the finding, so that preflight is tried again unless something is wrong as well.

    Args:
        check: what is checked.
        which: the name or ARN it is about.
        right: the action that the caller needs in order to ask; without it the check is skipped with a warning.
        findings: the check, which asks AWS as it goes. What it returns is returned.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return (yield from findings)
    except ClientError as error:
        yield _refusal(check, which, right, error)
    except BotoCoreError as error:
        found = f"it cannot be asked: {error}"
        # A closed network has no way to IAM's one endpoint, now or later.
        closed = right.startswith("iam:") and transient_fault(error) == "unreachable"
        cause = None if closed else transient_cause(error)
        yield Finding("error", check, which, found, "Check the connection's endpoint and the network.", cause)
    except ModelImportError as error:
        if not (cause := transient_cause(error)):
            raise
        yield Finding("error", check, which, error.finding, error.remedy or _RUN_AGAIN, cause)
    return None


def collected(check: Check[T]) -> tuple[list[Finding], T]:
    """Return all findings of a check, and what it learnt."""
    findings: list[Finding] = []
    while True:
        try:
            findings.append(next(check))
        except StopIteration as end:
            return findings, end.value


def is_denied(error: BaseException) -> bool:
    """Return whether AWS's refusal for want of a permission is what caused the error."""
    from botocore.exceptions import ClientError

    causes = (error.__cause__, getattr(error.__cause__, "__cause__", None))
    return any(isinstance(cause, ClientError) and error_code(cause) in NO_RIGHT_TO_ASK for cause in causes)


def _refusal(check: str, which: str, right: str, error: Any) -> Finding:
    code, message = error_code(error), error.response.get("Error", {}).get("Message", "")
    if code in NO_RIGHT_TO_ASK:
        return Finding("warning", check, which, f"not checked: the caller may not ask ({code})", f"Grant {right}.")
    found = f"{error.operation_name} answers {code}: {message}"
    return Finding("error", check, which, found, _remedy(code), transient_cause(error))


def _remedy(code: str) -> str:
    if code in BAD_CREDENTIALS:
        return "Renew the credentials of the Airflow connection."
    return _RUN_AGAIN
