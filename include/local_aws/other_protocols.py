"""Answers to clients that speak another protocol than HTTP/1.1: each says what to change.

The JavaScript SDK calls bedrock-runtime by HTTP/2, and programs that take an endpoint without a scheme speak TLS.
"""

from __future__ import annotations

import json
import struct
from typing import BinaryIO

HTTP2_REQUEST_LINE = b"PRI * HTTP/2.0"
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TLS_HANDSHAKE = b"\x16\x03"
_CODE = "HttpVersionNotSupported"
_HTTP2_MESSAGE = (
    "The stand-in for AWS speaks HTTP/1.1 only, and this client HTTP/2. JavaScript: pass "
    "requestHandler: new NodeHttpHandler() of @smithy/node-http-handler to the client."
)
#: Go says of a TLS connection that is answered so: "server gave HTTP response to HTTPS client".
TLS_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"The stand-in for AWS speaks plain HTTP, and this client TLS: write http:// before the endpoint.\n"
)
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_FRAME_HEADER = 9


def is_tls(first_bytes: bytes) -> bool:
    """Return whether a connection begins with a TLS handshake."""
    return first_bytes.startswith(_TLS_HANDSHAKE)


def refuse_http2(rfile: BinaryIO, wfile: BinaryIO) -> None:
    """Answer each request of an HTTP/2 connection, after its request line, with an error that names the remedy.

    See RFC 9113, sections 3.4, 4.1 and 6; the header block is HPACK's static table and plain literals (RFC 7541).
    """
    rfile.read(len(_HTTP2_PREFACE) - len(HTTP2_REQUEST_LINE) - 2)
    wfile.write(_frame(_SETTINGS, 0, 0, b""))
    while len(header := rfile.read(_FRAME_HEADER)) == _FRAME_HEADER:
        high, low, kind, flags, stream = struct.unpack(">BHBBI", header)
        rfile.read(high << 16 | low)
        if kind == _SETTINGS and not flags & _ACK:
            wfile.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _HEADERS:
            wfile.write(_answer(stream))


def _answer(stream: int) -> bytes:
    body = json.dumps({"message": _HTTP2_MESSAGE}).encode()
    status_400, content_type = b"\x8c", b"\x0f\x10"
    error_type = b"\x00" + _literal("x-amzn-errortype") + _literal(_CODE)
    block = status_400 + content_type + _literal("application/json") + error_type
    return _frame(_HEADERS, _END_HEADERS, stream, block) + _frame(_DATA, _END_STREAM, stream, body)


def _literal(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload
