"""Raw requests to the stand-in's S3, for what SDKs would not send, and checksums computed apart from it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from awscrt import checksums

DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: checksums.crc32c(data).to_bytes(4, "big"),
    "CRC64NVME": lambda data: checksums.crc64nvme(data).to_bytes(8, "big"),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def checksum(algorithm: str, data: bytes) -> str:
    return base64.b64encode(DIGESTS[algorithm](data)).decode()


def aws_chunked(data: bytes, trailer: str = "", size: int = 65536, signed: bool = False) -> bytes:
    """Encode a body as SDKs do for STREAMING-UNSIGNED-PAYLOAD-TRAILER, or with (meaningless) chunk signatures."""
    extension = b";chunk-signature=" + b"0" * 64 if signed else b""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return chunks + b"0" + extension + b"\r\n" + (f"{trailer}\r\n".encode() if trailer else b"") + b"\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    code: str
    body: bytes
    headers: dict[str, str]


AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class RawS3:
    """Sends requests as they are given, with a signature that is none."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def send(self, method: str, path: str, body: bytes | Iterator[bytes] = b"", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Authorization": AUTHORIZATION}
        self.connection.request(method, path, body=body, headers=sent)
        answer = self.connection.getresponse()
        text = answer.read()
        code = re.search(rb"<Code>(.+?)</Code>", text)
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, code[1].decode() if code else "", text, names)
