"""Classify transient AWS errors: one table, and one rule for the errors that wrap them.

Decided by error class, code and HTTP status, never by a message's text. Sources of the codes: botocore's
``retries.standard``, https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Literal

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from include.aws.errors import LeaseError

#: throttled: ask less often. unavailable: an outage of the service or a gateway, or an answer that was cut off.
#: unreachable: no connection was made. expired: the same client cannot succeed, one with fresh credentials can.
TransientFault = Literal["throttled", "unavailable", "unreachable", "expired"]

#: Errors of botocore that are no answer of AWS; a parser's error means that a gateway answered in the service's place.
NO_ANSWER = (BotoCoreError, ResponseParserError)
EXPIRED_CREDENTIALS = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
#: The answer to HEAD has no body: S3's 400 to it is most often that the credentials have expired.
_EXPIRED_WITHOUT_A_BODY = frozenset({("400", "HeadObject"), ("400", "HeadBucket")})
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_UNAVAILABLE = frozenset(
    {
        "BadDigest",  # this and XAmzContentSHA256Mismatch: a bit flipped on the way
        "BadGateway",
        "GatewayTimeout",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "XAmzContentSHA256Mismatch",
    }
)
_BY_CLASS: Mapping[type[Exception], TransientFault] = {
    ConnectionError: "unreachable",
    HTTPClientError: "unavailable",
    IncompleteReadError: "unavailable",
    ChecksumError: "unavailable",
    FlexibleChecksumError: "unavailable",
    ResponseParserError: "unavailable",
    CredentialRetrievalError: "expired",
    TokenRetrievalError: "expired",
    LeaseError: "unavailable",
}


def error_code(error: BaseException) -> str:
    """Return the code of a ClientError; an empty text for any other error."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def transient_fault(error: BaseException) -> TransientFault | None:
    """Return the kind of transient fault of a botocore error; None for a permanent error."""
    if isinstance(error, ClientError):
        return _fault_of_answer(error)
    if isinstance(error, SSLError) and _is_certificate_refused(error):
        return None
    return next((fault for kind, fault in _BY_CLASS.items() if isinstance(error, kind)), None)


def is_worth_repeating(error: BaseException) -> bool:
    """Return whether the client should retry at once; botocore has already retried failed connections."""
    return transient_fault(error) in ("throttled", "unavailable")


def is_unreachable(error: BaseException) -> bool:
    """Return whether no request reached the service: no connection was made, or a gateway answered in its place."""
    return transient_fault(error) == "unreachable" or isinstance(error, ResponseParserError)


def has_expired(error: BaseException) -> bool:
    """Return whether expired credentials caused an error, however often it was wrapped."""
    return any(transient_fault(cause) == "expired" for cause in _causes(error))


def transient_cause(error: BaseException) -> BaseException | None:
    """Return the transient fault that caused an error, at any depth of wrapping; None without one.

    A task that failed with such an error is retried.
    """
    return next((cause for cause in _causes(error) if transient_fault(cause)), None)


def _fault_of_answer(error: ClientError) -> TransientFault | None:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.OK)
    if code in EXPIRED_CREDENTIALS or (code, error.operation_name) in _EXPIRED_WITHOUT_A_BODY:
        return "expired"
    if code in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return "throttled"
    outage = status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return "unavailable" if code in _UNAVAILABLE or outage else None


def _is_certificate_refused(error: SSLError) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what caused it, as a traceback shows them."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
