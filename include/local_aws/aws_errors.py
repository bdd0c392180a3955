"""Errors in the shape a service answers with, for requests that no emulated operation takes."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from flask import Flask, Response, request
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

log = logging.getLogger(__name__)
#: Services that answer REST requests in XML; those of all others are answered in JSON.
REST_XML = ("s3", "route53", "cloudfront", "unknown service")
SCOPE = re.compile(r"/([^/,]+)/aws4_request")


class AwsError(ServiceException):  # type: ignore[misc]
    """An error that moto answers in the protocol of the service. (moto looks up the class's module: not its own.)"""


def unsupported_operation(service: str, operation: str | None) -> AwsError:
    """Return the error for an operation that the stand-in does not have."""
    return AwsError("NotImplemented", f"{service}:{operation} is not emulated by this stand-in for AWS")


def answer_errors_like_aws(app: Flask, service: str | None) -> None:
    """Make every failure in the app an AWS-shaped answer instead of an HTML page."""
    app.register_error_handler(Exception, _handler(service))


def unknown_service_app() -> Flask:
    """Return the app for requests that belong to no emulated service; the signature names the intended service."""
    app = Flask("unknown service")
    answer_errors_like_aws(app, None)
    return app


def requested_operation() -> str:
    """Return the operation of the current request, or its method and path where no name is sent."""
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    return target or request.values.get("Action", "") or f"{request.method} {request.full_path.rstrip('?')}"


def signed_service() -> str:
    """Return the service that the current request is signed for."""
    scope = SCOPE.search(request.headers.get("Authorization", ""))
    return scope[1] if scope else "unknown service"


def _handler(service: str | None) -> Callable[[Exception], WerkzeugResponse]:
    def handle(error: Exception) -> WerkzeugResponse:
        name = f"{service or signed_service()}:{requested_operation()}"
        if isinstance(error, NotImplementedError | HTTPException):
            return _error_response("NotImplemented", f"{name} is not emulated by this stand-in for AWS", 501)
        log.error("%s failed in the stand-in", name, exc_info=error)
        message = f"{name} failed in the stand-in for AWS: {type(error).__name__}: {error}"
        return _error_response("InternalFailure", message, 500)

    return handle


def _error_response(code: str, message: str, status: int) -> Response:
    content_type = request.content_type or ""
    is_query = content_type.startswith("application/x-www-form-urlencoded")
    if "json" in content_type or not (is_query or signed_service() in REST_XML):
        body = json.dumps({"__type": code, "message": message})
        return Response(body, status, {"x-amzn-ErrorType": code}, content_type="application/x-amz-json-1.1")
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    plain = f"<Error>{inner}</Error>"
    wrapped = f"<ErrorResponse>{plain}<RequestId>local</RequestId></ErrorResponse>"
    return Response(wrapped if is_query else plain, status, content_type="text/xml")
