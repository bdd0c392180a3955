"""Notes every call to AWS of this process, by service, operation and task, and makes the answer to a chosen one fail.

Calls are seen where botocore and aiobotocore hand a signed request to their HTTP client, so nothing that uses either is
missed. A call that is to fail is sent to a server that answers as AWS, a gateway or a bad network does: over a socket.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

from aiobotocore.endpoint import AioEndpoint
from botocore.endpoint import Endpoint

#: ``reset``: the connection breaks before the service gets the request. ``lost``: the service carries out the request,
#: and the connection breaks before its answer. ``502`` is a gateway's answer, in HTML.
Kind = Literal["500", "502", "503", "throttled", "429", "reset", "lost", "expired"]
KINDS: tuple[Kind, ...] = ("500", "502", "503", "throttled", "429", "reset", "lost", "expired")
TRIGGERER = "triggerer"
#: Status and code by kind: of S3, of the services that answer in XML, and of those that answer in JSON.
_ANSWERS: dict[Kind, tuple[tuple[int, str], tuple[int, str], tuple[int, str]]] = {
    "500": ((500, "InternalError"), (500, "InternalFailure"), (500, "InternalServerException")),
    "503": ((503, "ServiceUnavailable"), (503, "ServiceUnavailable"), (503, "ServiceUnavailableException")),
    "throttled": ((503, "SlowDown"), (400, "Throttling"), (400, "ThrottlingException")),
    "429": ((429, "TooManyRequests"), (429, "TooManyRequestsException"), (429, "TooManyRequestsException")),
    "expired": ((400, "ExpiredToken"), (403, "ExpiredToken"), (403, "ExpiredTokenException")),
}
_XML = "<ErrorResponse><Error><Code>{0}</Code><Message>injected</Message></Error></ErrorResponse>"
_S3 = "<Error><Code>{0}</Code><Message>injected</Message></Error>"
_ASKED = "X-Test-Fault"


class Call(NamedTuple):
    """A call site: which task calls which operation; of a deferred task, the triggerer does."""

    service: str
    operation: str
    task: str


class CallFaults:
    """Every call while its ``with`` block lasts, counted; ``choose`` says which fault a call is to meet, if any."""

    def __init__(self, choose: Callable[[Call], Kind | None] = lambda _: None) -> None:
        self.choose = choose
        self.task = ""
        self.seen: Counter[Call] = Counter()
        self.injected: dict[Call, Kind] = {}
        #: Those of the task that runs now, since it was begun.
        self.fresh: list[tuple[Call, Kind]] = []
        self._apart = False
        self._lock = threading.Lock()

    def begin(self, task: str) -> None:
        """Note calls for this task from now on."""
        self.task, self.fresh = task, []

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Neither note nor fail calls meanwhile: they are the test's."""
        self._apart = True
        try:
            yield
        finally:
            self._apart = False

    @contextmanager
    def watching(self) -> Iterator[CallFaults]:
        """Note all calls, and make the chosen ones fail."""
        with _fault_server() as netloc:
            sync, deferred = Endpoint._do_get_response, AioEndpoint._do_get_response

            def worker(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
                self._note(request, operation_model, self.task, netloc)
                return sync(endpoint, request, operation_model, context)

            def triggerer(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
                self._note(request, operation_model, f"{self.task} ({TRIGGERER})", netloc)
                return deferred(endpoint, request, operation_model, context)

            with (
                patch.object(Endpoint, "_do_get_response", worker),
                patch.object(AioEndpoint, "_do_get_response", triggerer),
            ):
                yield self

    def _note(self, request: Any, operation_model: Any, task: str, netloc: str) -> None:
        service = operation_model.service_model
        call = Call(service.service_name, operation_model.name, task)
        if self._apart:
            return
        with self._lock:
            self.seen[call] += 1
            kind = self.choose(call)
            if kind is None:
                return
            self.injected[call] = kind
            self.fresh.append((call, kind))
        url = urlsplit(request.url)
        request.headers[_ASKED] = json.dumps([kind, service.service_name, service.resolved_protocol, url.netloc])
        request.url = url._replace(netloc=netloc).geturl()


class OnceEach:
    """Each call site meets one fault, at its first call; ``turn`` shifts which of the kinds each of them meets."""

    def __init__(self, turn: int, but_not: frozenset[str] = frozenset()) -> None:
        self._turn, self._but_not = turn, but_not
        self._met: dict[Call, Kind] = {}

    def __call__(self, call: Call) -> Kind | None:
        if call in self._met or call.task in self._but_not:
            return None
        # By name, so that a call site meets another kind in each turn, in whatever order a run comes to it.
        name = zlib.crc32("/".join(call).encode())
        self._met[call] = KINDS[(name + self._turn) % len(KINDS)]
        return self._met[call]


@contextmanager
def _fault_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        kind, service, protocol, netloc = json.loads(self.headers[_ASKED])
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if kind == "lost":
            there = http.client.HTTPConnection(netloc)
            there.request(self.command, self.path, body, {**self.headers, "Host": netloc})
            there.getresponse().read()
            there.close()
        if kind in ("lost", "reset"):
            return self._break_connection()
        if kind == "502":
            return self._answer(502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>")
        return self._answer(*_error(kind, service, protocol))

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0" if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _break_connection(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle


def _error(kind: Kind, service: str, protocol: str) -> tuple[int, dict[str, str], bytes]:
    of_s3, in_xml, in_json = _ANSWERS[kind]
    if service == "s3":
        return of_s3[0], {"Content-Type": "application/xml"}, _S3.format(of_s3[1]).encode()
    if protocol == "query":
        return in_xml[0], {"Content-Type": "text/xml"}, _XML.format(in_xml[1]).encode()
    status, code = in_json
    if protocol == "smithy-rpc-v2-cbor":
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return status, headers, b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", "injected")))
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"__type": code, "message": "injected"}).encode()


def _cbor_text(text: str) -> bytes:
    return b"\x78" + bytes([len(text)]) + text.encode()
