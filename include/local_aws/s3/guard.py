"""The WSGI guard before moto's S3: no byte reaches moto that is not what its request says it is."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.wsgi import get_input_stream

from include.local_aws.s3.errors import S3Error
from include.local_aws.s3.integrity import CHECKSUM_HEADER
from include.local_aws.s3.request_body import receive_body
from include.local_aws.s3.stored_bytes import BLOCK_SIZE, ByteStore, StoredBytes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY_KEY = "local_aws.body"
INLINE_SIZE = 2**21
"""Up to here moto gets the body as well: requests other than PutObject and UploadPart read XML from it."""


class S3Guard:
    """Receives and verifies each body, hands it on as stored bytes, and answers broken ones itself."""

    def __init__(self, app: WSGIApplication, store: ByteStore) -> None:
        self._app = app
        self._store = store

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        try:
            if environ["REQUEST_METHOD"] in ("PUT", "POST"):
                stream = io.BufferedReader(get_input_stream(environ), BLOCK_SIZE)  # type: ignore[type-var]
                _hand_over(environ, receive_body(stream, _headers_about_body(environ), self._store))
        except S3Error as error:
            return _answer(error, start_response)
        try:
            return self._app(environ, start_response)
        finally:
            environ.pop(BODY_KEY, None)  # a kept-alive connection holds its last environ, and so the bytes on disk


def header_values(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the request's headers with lower-case names."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }


def _headers_about_body(environ: WSGIEnvironment) -> dict[str, str]:
    """The headers without the checksum of a CompleteMultipartUpload: that one is of the object, not of the body."""
    headers = header_values(environ)
    completes = environ["REQUEST_METHOD"] == "POST" and "uploadId=" in environ.get("QUERY_STRING", "")
    return {name: headers[name] for name in headers if not (completes and CHECKSUM_HEADER.fullmatch(name))}


def _hand_over(environ: WSGIEnvironment, body: StoredBytes) -> None:
    inline = bytes(body) if len(body) <= INLINE_SIZE else b""
    environ[BODY_KEY] = body
    environ["wsgi.input"] = io.BytesIO(inline)
    environ["CONTENT_LENGTH"] = str(len(inline))
    if "HTTP_X_AMZ_CONTENT_SHA256" in environ:
        environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"
    for name in ("HTTP_TRANSFER_ENCODING", "wsgi.input_terminated"):
        environ.pop(name, None)


def _answer(error: S3Error, start_response: StartResponse) -> Iterable[bytes]:
    body = error.to_xml()
    start_response(
        f"{error.status} {error.code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    )
    return [body]
