"""An S3 that holds models of any size on no disk: serves computed ranges, and checks and counts what it receives.

    python -m benchmarks.synthetic_s3 8000 0.03

The arguments are the port, and the seconds that each answer takes at least.

It answers the operations that the project uses on one bucket, verifies checksums but no signatures, and refuses what S3
refuses: parts that are too small, too large or too many, wrong checksums, unmet conditions. An uploaded part is kept as
length and checksum, a copied one as the ranges that it consists of. ``GET /_counts`` returns the requests by operation
and the bytes since it was last read.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from awscrt.checksums import crc64nvme

from benchmarks.delivery_run import BUCKET
from benchmarks.synthetic_objects import BytesNotKeptError, SyntheticObject
from benchmarks.synthetic_storage import CompletePart, Storage, StorageError, StoredPart
from include.sources.checksums import decode, encode

MODIFIED = datetime(2026, 11, 1, tzinfo=UTC)
CRC, TYPE = "x-amz-checksum-crc64nvme", "x-amz-checksum-type"
RECIPE = "x-amz-meta-recipe"
READ_SIZE = 2**20


class SyntheticS3(ThreadingHTTPServer):
    """The server; ``counts`` are requests by operation, and bytes; each answer takes at least ``latency`` seconds."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, objects: dict[str, SyntheticObject], latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.latency = latency
        self.storage = Storage(objects)
        self.counts: Counter[str] = Counter()

    @property
    def endpoint_url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet, at once: in two, the second would wait for the first's acknowledgement.
    wbufsize, disable_nagle_algorithm = 2**16, True
    server: SyntheticS3

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _answer(self) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        self.key, self.query = key, {name: it[0] for name, it in parse_qs(url.query, keep_blank_values=True).items()}
        self.left = int(self.headers.get("Content-Length") or 0)
        try:
            if bucket == "_counts":
                self._send_counts()
                return
            if bucket != BUCKET:
                raise StorageError(404, "NoSuchBucket", bucket)
            operation, answer = self._operation()
            self._count(operation, 1)
            time.sleep(self.server.latency)
            answer()
        except StorageError as error:
            self._refuse(error)
        except BytesNotKeptError:
            self._refuse(StorageError(501, "NotImplemented", "The bytes of an uploaded part are not kept."))

    def _operation(self) -> tuple[str, Callable[[], None]]:
        copy = "x-amz-copy-source" in self.headers
        found = {
            ("GET", "list-type"): ("ListObjectsV2", self._list),
            ("GET", "uploads"): ("ListMultipartUploads", self._list_uploads),
            ("GET", "uploadId"): ("ListParts", self._list_parts),
            ("GET", ""): ("GetObject", self._get),
            ("HEAD", ""): ("HeadObject", self._head),
            ("PUT", "uploadId"): ("UploadPartCopy", self._copy_part) if copy else ("UploadPart", self._upload_part),
            ("PUT", ""): ("PutObject", self._put),
            ("POST", "uploads"): ("CreateMultipartUpload", self._begin),
            ("POST", "uploadId"): ("CompleteMultipartUpload", self._complete),
            ("DELETE", "uploadId"): ("AbortMultipartUpload", self._abort),
            ("DELETE", ""): ("DeleteObject", self._delete),
        }
        named = next((name for name in ("list-type", "uploads", "uploadId") if name in self.query), "")
        if (self.command, named) not in found:
            raise StorageError(501, "NotImplemented", f"{self.command} {self.path}")
        return found[self.command, named]

    def _list(self) -> None:
        prefix = self.query.get("prefix", "")
        with self.server.storage.lock:
            keys, more = self.server.storage.list(prefix, self.query.get("continuation-token", ""))
            listed = [(key, self.server.storage.objects[key]) for key in keys]
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{it.size}</Size><ETag>&quot;{it.etag}&quot;</ETag>"
            f"<LastModified>{MODIFIED.isoformat()}</LastModified></Contents>"
            for key, it in listed
        )
        following = f"<NextContinuationToken>{escape(keys[-1])}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        self._send_xml(f"<ListBucketResult>{truncated}{following}{items}</ListBucketResult>")

    def _list_uploads(self) -> None:
        prefix = self.query.get("prefix", "")
        with self.server.storage.lock:
            found = [(i, it.key) for i, it in self.server.storage.uploads.items() if it.key.startswith(prefix)]
        items = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{MODIFIED.isoformat()}</Initiated><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
            "<ChecksumType>FULL_OBJECT</ChecksumType></Upload>"
            for upload_id, key in found
        )
        listed = f"<IsTruncated>false</IsTruncated>{items}"
        self._send_xml(f"<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>")

    def _list_parts(self) -> None:
        marker = int(self.query.get("part-number-marker", "0"))
        with self.server.storage.lock:
            parts = sorted(self.server.storage.upload(self.query["uploadId"]).parts.items())
        page = [(number, part) for number, part in parts if number > marker]
        items = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{part.size}</Size><ETag>&quot;{part.etag}&quot;</ETag>"
            f"<ChecksumCRC64NVME>{encode(part.crc64nvme)}</ChecksumCRC64NVME>"
            f"<LastModified>{MODIFIED.isoformat()}</LastModified></Part>"
            for number, part in page[:1000]
        )
        more = len(page) > 1000
        following = f"<NextPartNumberMarker>{page[999][0]}</NextPartNumberMarker>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        self._send_xml(f"<ListPartsResult>{truncated}{following}{items}</ListPartsResult>")

    def _get(self) -> None:
        with self.server.storage.lock:
            found = self.server.storage.get(self.key, self.headers.get("If-Match"))
        start, length = self._range(self.headers.get("Range"), found.size)
        data = b"".join(piece.read() for piece in found.cut(start, length))
        self._count("bytes read", length)
        headers = _described(found)
        if length < found.size:
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{found.size}"
            headers = {name: value for name, value in headers.items() if name not in (CRC, TYPE)}
        self._send(200 if length == found.size else 206, data, headers)

    def _head(self) -> None:
        with self.server.storage.lock:
            found = self.server.storage.get(self.key, self.headers.get("If-Match"))
        self._send(200, b"", _described(found), length=found.size)

    def _put(self) -> None:
        data = self._body()
        with self.server.storage.lock:
            made = self.server.storage.put(self.key, data, self.headers.get(RECIPE, ""), self._condition())
        self._send(200, b"", _described(made), length=0)

    def _upload_part(self) -> None:
        size, crc = self._received()
        with self.server.storage.lock:
            part = self.server.storage.upload_part(*self._part_address(), size, crc)
        self._send(200, b"", {"ETag": f'"{part.etag}"', CRC: encode(part.crc64nvme)})

    def _copy_part(self) -> None:
        bucket, _, key = unquote(self.headers["x-amz-copy-source"]).lstrip("/").partition("/")
        if bucket != BUCKET:
            raise StorageError(404, "NoSuchBucket", bucket)
        with self.server.storage.lock:
            source = self.server.storage.get(key, self.headers.get("x-amz-copy-source-if-match"))
            start, length = self._range(self.headers["x-amz-copy-source-range"], source.size)
            part = self.server.storage.copy_part(*self._part_address(), source, start, length)
        self._count("bytes copied", length)
        self._send_xml(f"<CopyPartResult>{_part_fields(part)}</CopyPartResult>")

    def _begin(self) -> None:
        with self.server.storage.lock:
            upload_id = self.server.storage.begin(self.key, self.headers.get(RECIPE, ""))
        inner = f"<Bucket>{BUCKET}</Bucket><Key>{escape(self.key)}</Key><UploadId>{upload_id}</UploadId>"
        self._send_xml(f"<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>")

    def _complete(self) -> None:
        root = ElementTree.fromstring(self.rfile.read(self._all_of_body()))
        named = [_complete_part(part) for part in root.iter() if part.tag.endswith("}Part") or part.tag == "Part"]
        size, crc = self.headers.get("x-amz-mp-object-size"), self.headers.get(CRC)
        with self.server.storage.lock:
            made = self.server.storage.complete(
                self.query["uploadId"],
                named,
                int(size) if size else None,
                decode(crc) if crc else None,
                self._condition(),
            )
        self._count("parts", len(named))
        fields = f"<ETag>&quot;{made.etag}&quot;</ETag><ChecksumCRC64NVME>{encode(made.crc64nvme)}</ChecksumCRC64NVME>"
        self._send_xml(f"<CompleteMultipartUploadResult>{fields}</CompleteMultipartUploadResult>")

    def _abort(self) -> None:
        with self.server.storage.lock:
            self.server.storage.upload(self.query["uploadId"])
            del self.server.storage.uploads[self.query["uploadId"]]
        self._send(204, b"", {})

    def _delete(self) -> None:
        with self.server.storage.lock:
            self.server.storage.delete(self.key)
        self._send(204, b"", {})

    def _part_address(self) -> tuple[str, int]:
        return self.query["uploadId"], int(self.query["partNumber"])

    def _condition(self) -> tuple[str | None, str | None]:
        return self.headers.get("If-Match"), self.headers.get("If-None-Match")

    def _range(self, header: str | None, size: int) -> tuple[int, int]:
        if header is None:
            return 0, size
        first, last = header.removeprefix("bytes=").split("-")
        start, end = int(first), min(int(last), size - 1)
        if start > end:
            raise StorageError(416, "InvalidRange", f"{header} of {size} bytes")
        return start, end + 1 - start

    def _all_of_body(self) -> int:
        length, self.left = self.left, 0
        return length

    def _body(self) -> bytes:
        data = self.rfile.read(self._all_of_body())
        self._check_crc(crc64nvme(data))
        self._count("bytes sent", len(data))
        return data

    def _received(self) -> tuple[int, int]:
        """Read the body without keeping it; return its length and its CRC64NVME."""
        size, crc = self.left, 0
        while self.left:
            data = self.rfile.read(min(self.left, READ_SIZE))
            if not data:
                raise StorageError(400, "IncompleteBody", f"{self.left} bytes are missing")
            crc = crc64nvme(data, crc)
            self.left -= len(data)
        self._check_crc(crc)
        self._count("bytes sent", size)
        return size, crc

    def _check_crc(self, found: int) -> None:
        stated = self.headers.get(CRC)
        if stated is None:
            raise StorageError(400, "InvalidRequest", f"no {CRC}: the bytes cannot be checked")
        if decode(stated) != found:
            raise StorageError(400, "BadDigest", "The CRC64NVME you specified did not match the calculated checksum.")

    def _count(self, name: str, amount: int) -> None:
        with self.server.storage.lock:
            self.server.counts[name] += amount

    def _send_counts(self) -> None:
        with self.server.storage.lock:
            counts, self.server.counts = self.server.counts, Counter()
        self._send(200, json.dumps(counts).encode(), {})

    def _refuse(self, error: StorageError) -> None:
        if self.left:
            self.rfile.read(self._all_of_body())
        body = f"<Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error>".encode()
        self._send(error.status, b"" if self.command == "HEAD" else body, {})

    def _send_xml(self, text: str) -> None:
        self._send(200, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), {"Content-Type": "application/xml"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        if self.left:
            self.rfile.read(self._all_of_body())
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def _described(found: SyntheticObject) -> dict[str, str]:
    described = {"ETag": f'"{found.etag}"', CRC: encode(found.crc64nvme), TYPE: "FULL_OBJECT"}
    modified = {"Last-Modified": MODIFIED.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    return described | modified | ({RECIPE: found.recipe} if found.recipe else {})


def _part_fields(part: StoredPart) -> str:
    crc = f"<ChecksumCRC64NVME>{encode(part.crc64nvme)}</ChecksumCRC64NVME>"
    return f"<ETag>&quot;{part.etag}&quot;</ETag>{crc}"


def _complete_part(element: ElementTree.Element) -> CompletePart:
    fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    crc = fields.get("ChecksumCRC64NVME")
    return CompletePart(int(fields["PartNumber"]), fields["ETag"].strip('"'), decode(crc) if crc else None)


if __name__ == "__main__":
    from benchmarks.large_models_shapes import all_objects

    SyntheticS3(int(sys.argv[1]), all_objects(), float(sys.argv[2])).serve_forever()
