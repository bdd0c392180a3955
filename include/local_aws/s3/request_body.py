"""Receives a request body block by block: plain or aws-chunked, with or without trailer.

Source: Amazon S3 API reference, "Signature calculations: transferring payload in multiple chunks" and
"… including trailing headers". Chunk signatures are read past, not verified.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from werkzeug.exceptions import ClientDisconnected

from include.local_aws.s3.errors import IncompleteBodyError, MalformedTrailerError
from include.local_aws.s3.integrity import announced_integrity
from include.local_aws.s3.stored_bytes import BLOCK_SIZE, ByteStore, StoredBytes

LONGEST_LINE = 16 * 1024


def receive_body(stream: io.BufferedIOBase, headers: Mapping[str, str], store: ByteStore) -> StoredBytes:
    """Store the body of a request and return it; raises the S3Error that S3 answers with when it is not as announced.

    `headers` have lower-case names. `stream` ends where the body ends.
    """
    integrity = announced_integrity(headers)
    trailers: dict[str, str] = {}
    chunked = headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
    with store.writer(integrity.needed) as writer:
        try:
            for block in _chunked_blocks(stream, trailers) if chunked else _blocks(stream):
                writer.write(block)
        except ClientDisconnected as error:
            raise IncompleteBodyError(
                "You did not provide the number of bytes specified by the Content-Length HTTP header"
            ) from error
        body = writer.stored()
        integrity.verify(body, trailers)
    return body


def _blocks(stream: io.BufferedIOBase) -> Iterator[bytes]:
    while block := stream.read(BLOCK_SIZE):
        yield block


def _chunked_blocks(stream: io.BufferedIOBase, trailers: dict[str, str]) -> Iterator[bytes]:
    """Yield the data of an aws-chunked body and put what follows it into `trailers`."""
    while size := _chunk_size(stream):
        yield from _exactly(stream, size)
        if stream.readline(2) != b"\r\n":
            raise IncompleteBodyError(f"A chunk of {size} bytes does not end where its size says")
    trailers.update(_trailers(stream))


def _chunk_size(stream: io.BufferedIOBase) -> int:
    line = stream.readline(LONGEST_LINE)
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise IncompleteBodyError(f"Expected the size of a chunk, found {line[:80]!r}") from None


def _exactly(stream: io.BufferedIOBase, size: int) -> Iterator[bytes]:
    while size:
        block = stream.read(min(size, BLOCK_SIZE))
        if not block:
            raise IncompleteBodyError(f"The body ended {size} bytes before the end of a chunk")
        size -= len(block)
        yield block


def _trailers(stream: io.BufferedIOBase) -> Iterator[tuple[str, str]]:
    while line := stream.readline(LONGEST_LINE).strip():
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise MalformedTrailerError(
                "The request contained trailing data that was not well-formed or did not conform to our published "
                f"schema: {line[:80]!r}"
            )
        yield name.strip().lower(), value.strip()
