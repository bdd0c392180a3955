"""The refusals of S3 that moto does not have, with the codes, statuses and wording of the service.

Source: Amazon S3 API reference, "Error responses", and the pages of the operations.
"""

from __future__ import annotations

from xml.sax.saxutils import escape


class S3Error(Exception):
    """An answer of S3 other than success. Subclasses set code, HTTP status and message."""

    code = "InternalError"
    status = 400

    def __init__(self, message: str, **fields: str) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def __reduce__(self) -> tuple[type[S3Error], tuple[str], dict[str, object]]:
        return type(self), (self.message,), self.__dict__

    def to_xml(self) -> bytes:
        """Return the body S3 sends with this error."""
        elements = {"Code": self.code, "Message": self.message, **self.fields}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


class BadDigestError(S3Error):
    """A checksum of the request does not belong to what arrived."""

    code = "BadDigest"


class InvalidDigestError(S3Error):
    """Content-MD5 is not the base64 of sixteen bytes."""

    code = "InvalidDigest"


class ContentSha256MismatchError(S3Error):
    """x-amz-content-sha256 does not belong to what arrived."""

    code = "XAmzContentSHA256Mismatch"


class InvalidRequestError(S3Error):
    """The request contradicts itself or the upload it belongs to."""

    code = "InvalidRequest"


class InvalidArgumentError(S3Error):
    """An argument has a value S3 does not take."""

    code = "InvalidArgument"


class IncompleteBodyError(S3Error):
    """Fewer or more bytes arrived than were announced."""

    code = "IncompleteBody"


class MalformedTrailerError(S3Error):
    """The trailer of an aws-chunked body is missing or is not the announced one."""

    code = "MalformedTrailerError"


class MalformedXmlError(S3Error):
    """The body of the request is not the XML the operation takes."""

    code = "MalformedXML"


class NoSuchUploadError(S3Error):
    """The multipart upload does not exist, was aborted, or was completed."""

    code = "NoSuchUpload"
    status = 404


class NoSuchKeyError(S3Error):
    """The object does not exist."""

    code = "NoSuchKey"
    status = 404


class InvalidPartError(S3Error):
    """A part of a CompleteMultipartUpload is not the one that was uploaded."""

    code = "InvalidPart"


class InvalidPartOrderError(S3Error):
    """The parts of a CompleteMultipartUpload are not in ascending order."""

    code = "InvalidPartOrder"


class EntityTooSmallError(S3Error):
    """A part that is not the last one is smaller than 5 MiB."""

    code = "EntityTooSmall"


class PreconditionFailedError(S3Error):
    """A condition of the request does not hold."""

    code = "PreconditionFailed"
    status = 412


class AccessDeniedError(S3Error):
    """The bucket belongs to another account than the request expects."""

    code = "AccessDenied"
    status = 403


class NotImplementedByStandInError(S3Error):
    """S3 has this, the stand-in does not."""

    code = "NotImplemented"
    status = 501
