"""A proxy before an S3 server that breaks requests and answers as a bad network does."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
SKEWED = (
    b"<Error><Code>RequestTimeTooSkewed</Code>"
    b"<Message>The difference between the request time and the current time is too large.</Message></Error>"
)
INTERNAL_ERROR = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
REFUSALS = {"500": (500, INTERNAL_ERROR), "503": (503, SLOW_DOWN), "skewed": (403, SKEWED)}


@dataclass(frozen=True)
class Request:
    """What a rule sees; ``number`` counts the requests of this kind from 1, ``signed_at`` is the client's clock."""

    kind: str
    path: str
    number: int
    signed_at: datetime


Fault = str | None
Rule = Callable[[Request], Fault]


class FaultyProxy:
    """Forwards to ``endpoint_url``; before each request it asks ``rule`` which fault to make.

    Faults: ``reset`` (the connection breaks while the body is sent), ``lost`` (it breaks before the answer arrives),
    ``500``, ``503``, ``skewed`` (S3 finds the clock wrong),
    ``corrupt`` (one bit of the body flips on its way), ``truncate`` (half of the answer arrives).
    """

    def __init__(self, endpoint_url: str, rule: Rule = lambda _: None) -> None:
        self.rule = rule
        self.part_bytes = 0
        self._target = urlsplit(endpoint_url).netloc
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> FaultyProxy:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault_for(self, method: str, path: str, signed_at: datetime) -> Fault:
        kind = kind_of(method, path)
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            number = self._counts[kind]
        return self.rule(Request(kind, path, number, signed_at))

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._target)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        connection.close()
        if kind_of(method, path) == "UploadPart":
            with self._lock:
                self.part_bytes += len(body)
        return answer


def kind_of(method: str, path: str) -> str:
    """The S3 operation, as far as the tests tell them apart."""
    if method == "PUT":
        return "UploadPart" if "partNumber=" in path else "PutObject"
    if method == "POST":
        return "CompleteMultipartUpload" if "uploadId=" in path else "CreateMultipartUpload"
    return "GetObject" if method == "GET" and "?" not in path else method


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        signed_at = datetime.strptime(self.headers.get("X-Amz-Date", "19700101T000000Z"), "%Y%m%dT%H%M%S%z")
        fault = self.proxy.fault_for(self.command, self.path, signed_at)
        length = int(self.headers.get("Content-Length", 0))
        if fault == "reset":
            self.rfile.read(length // 2)
            return self._break_connection()
        body = self.rfile.read(length)
        if fault in REFUSALS:
            return self._answer(REFUSALS[fault][0], {"Date": formatdate(usegmt=True)}, REFUSALS[fault][1])
        if fault == "corrupt":
            body = body[:-1] + bytes([body[-1] ^ 1])
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        status, answered, data = self.proxy.forward(self.command, self.path, headers, body)
        if fault == "lost":
            return self._break_connection()
        return self._answer(status, answered, data, truncated=fault == "truncate")

    def _answer(self, status: int, headers: dict[str, str], data: bytes, truncated: bool = False) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if truncated else data)
        if truncated:
            self._break_connection()

    def _break_connection(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle
