"""The HTTP handler with small WSGI applications, over a real socket."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from include.local_aws.http_handler import KeepAliveRequestHandler

Serve = Callable[[Any], http.client.HTTPConnection]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(app: Any) -> http.client.HTTPConnection:
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAliveRequestHandler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_blocks_of_a_stream_arrive_when_they_are_made(serve: Serve) -> None:
    made = threading.Event()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"first"
        assert made.wait(10)
        yield b"second"

    connection = serve(app)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.read1(100) == b"first"
    made.set()
    assert answer.read() == b"second"


def test_an_unread_body_does_not_spoil_the_next_request(serve: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["PATH_INFO"].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    connection = serve(app)
    for path in ("/one", "/two", "/three"):
        connection.request("PUT", path, body=b"GET /smuggled HTTP/1.1\r\n\r\n" * 1000)
        assert connection.getresponse().read() == path.encode()
    connection.request("PUT", "/four", body=iter([b"chunk"] * 3))
    assert connection.getresponse().read() == b"/four"
    connection.request("GET", "/five")
    assert connection.getresponse().read() == b"/five"


def test_a_client_that_waits_for_leave_to_send_gets_it_once(serve: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    connection = serve(app)
    connection.putrequest("PUT", "/")
    connection.putheader("Expect", "100-continue")
    connection.putheader("Content-Length", "4")
    connection.endheaders()
    sock = connection.sock
    assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b"body")
    received = b""
    while not received.endswith(b"body"):
        received += sock.recv(1000)
    assert received.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_body_ends_at_its_head(serve: Serve, status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return []

    connection = serve(app)
    for _ in range(2):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b""


def test_an_application_that_fails_answers_500_and_the_connection_ends(serve: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError

    connection = serve(app)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 500
    assert b"<Code>InternalFailure</Code>" in answer.read()


def test_a_stream_that_breaks_off_is_seen_to_break_off(serve: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"first"
        raise RuntimeError

    connection = serve(app)
    connection.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
