"""Which failures of a step another try may cure."""

from __future__ import annotations

from include.aws.errors import S3RequestError
from include.aws.transient import transient_cause
from include.evaluation.errors import ModelUnavailableError

#: In addition to what a transient AWS error caused.
RETRIED = (S3RequestError, ModelUnavailableError)


def may_pass(error: BaseException) -> bool:
    """Return whether another try may succeed."""
    return isinstance(error, RETRIED) or transient_cause(error) is not None
