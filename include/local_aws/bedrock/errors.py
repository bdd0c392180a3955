"""The errors that Bedrock answers with, one class per error code."""

from __future__ import annotations

from typing import ClassVar


class BedrockError(Exception):
    """An answer that is not a success; `code` goes into the x-amzn-ErrorType header, `message` into the body."""

    code: ClassVar[str] = "InternalServerException"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InternalServerError(BedrockError):
    """The stand-in itself failed, or a test made it fail."""


class InvalidRequestError(BedrockError):
    """The request breaks a rule of the service."""

    code = "ValidationException"
    status = 400


class MalformedBodyError(BedrockError):
    """The body of a request is not the JSON object that the protocol asks for."""

    code = "SerializationException"
    status = 400


class UnsignedRequestError(BedrockError):
    """The request carries no SigV4 signature, so it belongs to no account and region."""

    code = "MissingAuthenticationTokenException"
    status = 403


class AccessDeniedError(BedrockError):
    """The caller may not do this."""

    code = "AccessDeniedException"
    status = 403


class ExpiredTokenError(BedrockError):
    """The credentials were good once."""

    code = "ExpiredTokenException"
    status = 403


class ResourceNotFoundError(BedrockError):
    """No job, model or other resource has this name or ARN."""

    code = "ResourceNotFoundException"
    status = 404


class ConflictError(BedrockError):
    """The request contradicts an earlier one, or the state of the resource."""

    code = "ConflictException"
    status = 400


class TooManyTagsError(BedrockError):
    """A resource would have more tags than the service allows."""

    code = "TooManyTagsException"
    status = 400


class QuotaExceededError(BedrockError):
    """The account has used up a quota."""

    code = "ServiceQuotaExceededException"
    status = 400


class ThrottledError(BedrockError):
    """Too many requests in a short time."""

    code = "ThrottlingException"
    status = 429


class ModelNotReadyError(BedrockError):
    """The imported model has no copy in memory yet."""

    code = "ModelNotReadyException"
    status = 429


class ModelTimeoutError(BedrockError):
    """The model took too long to answer."""

    code = "ModelTimeoutException"
    status = 408


class ModelFailedError(BedrockError):
    """The model failed while it was processing the request."""

    code = "ModelErrorException"
    status = 424


class ServiceUnavailableError(BedrockError):
    """The service cannot answer for the moment."""

    code = "ServiceUnavailableException"
    status = 503


class OperationNotEmulatedError(BedrockError):
    """Bedrock, or a service that signs like it, has this operation; the stand-in has not."""

    code = "NotImplemented"
    status = 501


SCRIPTABLE: dict[str, type[BedrockError]] = {
    error.code: error
    for error in (
        InternalServerError,
        InvalidRequestError,
        AccessDeniedError,
        ExpiredTokenError,
        ResourceNotFoundError,
        ConflictError,
        QuotaExceededError,
        ThrottledError,
        ModelNotReadyError,
        ModelTimeoutError,
        ModelFailedError,
        ServiceUnavailableError,
    )
}
