"""HTTP/1.1 with kept-alive connections for werkzeug's threaded server, whose own handler closes each one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from include.local_aws.other_protocols import HTTP2_REQUEST_LINE, TLS_ANSWER, is_tls, refuse_http2

log = logging.getLogger(__name__)
LONGEST_DRAIN = 2**26
BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class KeepAliveRequestHandler(MotoRequestHandler):  # type: ignore[misc]
    """Runs the WSGI app for each request of a connection, and keeps the connection open between them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Handle one request, or say to a TLS client that this is plain HTTP."""
        if is_tls(self.rfile.peek(2)):
            self.close_connection = True
            log.warning("A client speaks TLS here: its endpoint needs http:// before it")
            self.wfile.write(TLS_ANSWER)
            return
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Return whether there is a request of HTTP/1.1; those of HTTP/2 are answered here."""
        if not self.raw_requestline.startswith(HTTP2_REQUEST_LINE):
            return bool(super().parse_request())
        self.close_connection = True
        refuse_http2(self.rfile, self.wfile)
        return False

    def run_wsgi(self) -> None:
        """Handle one request. Whatever the app leaves unread of the body is read past."""
        self.environ = environ = self.make_environ()
        environ["wsgi.input"] = body = get_input_stream(environ)
        environ["wsgi.input_terminated"] = True
        answer = _Answer(self)
        try:
            blocks = self.server.app(environ, answer.start)
            try:
                answer.send(blocks)
            finally:
                getattr(blocks, "close", lambda: None)()
            self._drain(body)
        except (ConnectionError, TimeoutError, ClientDisconnected) as error:
            self.close_connection = True
            self.connection_dropped(error, environ)
        except Exception:
            self.close_connection = True
            log.exception("%s %s failed", self.command, environ["PATH_INFO"])
            answer.fail()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log method, path and status; no query string, which may hold a signature."""
        log.debug("%s %s %s", self.command, self.path.partition("?")[0], code)

    def _drain(self, body: Any) -> None:
        drained = 0
        while block := body.read(2**20):
            drained += len(block)
            if drained > LONGEST_DRAIN:
                self.close_connection = True
                return


class _Answer:
    """Writes one response as WSGI gives it: with its own length, or in chunks as they come."""

    def __init__(self, handler: KeepAliveRequestHandler) -> None:
        self._handler = handler
        self._chunked = False
        self._begun = False
        self._status = ""
        self._headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        self._status, self._headers = status, headers
        return self._write

    def send(self, blocks: Iterable[bytes]) -> None:
        blocks = iter(blocks)
        first = next(blocks, b"")
        self._send_head()
        self._write(first)
        for block in blocks:
            self._write(block)
        if self._chunked:
            self._handler.wfile.write(b"0\r\n\r\n")

    def fail(self) -> None:
        """Answer an error, unless the answer has begun; then the broken connection signals it."""
        if not self._begun:
            self.start("500 Internal Server Error", [("Content-Type", "application/xml")])
            self.send([b"<Error><Code>InternalFailure</Code><Message>The stand-in for AWS failed</Message></Error>"])

    def _send_head(self) -> None:
        self._begun = True
        code, _, reason = self._status.partition(" ")
        self._handler.send_response(int(code), reason)
        for name, value in self._headers:
            self._handler.send_header(name, value)
        has_length = any(name.lower() == "content-length" for name, _ in self._headers)
        bodiless = int(code) in BODILESS or self._handler.command == "HEAD"
        self._chunked = not has_length and not bodiless
        if self._chunked:
            self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def _write(self, data: bytes) -> None:
        if data and self._handler.command != "HEAD":
            self._handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
