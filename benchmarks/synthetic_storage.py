"""S3's rules for objects and multipart uploads, on objects that take no room. Every rule is S3's own.

Limits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
Errors: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from benchmarks.synthetic_objects import Literal, Piece, SyntheticObject, Uploaded, combined_crc

MIN_PART, MAX_PART, MAX_PARTS = 5 * 2**20, 5 * 2**30, 10_000
PAGE = 1000


class StorageError(Exception):
    """A refused request, with S3's code and HTTP status."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


@dataclass(frozen=True)
class StoredPart:
    """A part of an open upload."""

    pieces: tuple[Piece, ...]
    size: int
    crc64nvme: int

    @property
    def etag(self) -> str:
        """An ETag of S3's form."""
        return hashlib.md5(f"{self.size} {self.crc64nvme}".encode(), usedforsecurity=False).hexdigest()


@dataclass
class Upload:
    """An open multipart upload."""

    key: str
    recipe: str
    parts: dict[int, StoredPart] = field(default_factory=dict)


@dataclass(frozen=True)
class CompletePart:
    """A part as CompleteMultipartUpload names it."""

    number: int
    etag: str
    crc64nvme: int | None


class Storage:
    """The objects and open uploads of one bucket. Not thread-safe: the caller holds ``lock``."""

    def __init__(self, objects: dict[str, SyntheticObject]) -> None:
        self.lock = threading.Lock()
        self.objects = dict(objects)
        self.uploads: dict[str, Upload] = {}
        self._keys = sorted(self.objects)
        self._uploads_begun = 0

    def get(self, key: str, if_match: str | None = None) -> SyntheticObject:
        """Return an object, with this ETag if one is given."""
        found = self.objects.get(key)
        if found is None:
            raise StorageError(404, "NoSuchKey", key)
        if if_match is not None and if_match.strip('"') != found.etag:
            raise StorageError(412, "PreconditionFailed", f"{key} has ETag {found.etag}, not {if_match}")
        return found

    def list(self, prefix: str, after: str) -> tuple[list[str], bool]:
        """Return a page of keys after ``after``, and whether more follow."""
        start = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after) if after else 0)
        page = [key for key in islice(self._keys, start, start + PAGE + 1) if key.startswith(prefix)]
        return page[:PAGE], len(page) > PAGE

    def put(self, key: str, data: bytes, recipe: str, condition: tuple[str | None, str | None]) -> SyntheticObject:
        """Store an object whose bytes are kept."""
        return self._store(key, SyntheticObject((Literal(data),), recipe=recipe), condition)

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is deleted already."""
        if self.objects.pop(key, None):
            self._keys.remove(key)

    def begin(self, key: str, recipe: str) -> str:
        """Begin a multipart upload and return its id."""
        self._uploads_begun += 1
        upload_id = f"upload-{self._uploads_begun}"
        self.uploads[upload_id] = Upload(key, recipe)
        return upload_id

    def upload(self, upload_id: str) -> Upload:
        """Return an open upload."""
        found = self.uploads.get(upload_id)
        if found is None:
            raise StorageError(404, "NoSuchUpload", upload_id)
        return found

    def upload_part(self, upload_id: str, number: int, size: int, crc: int) -> StoredPart:
        """Keep length and checksum of a part whose bytes arrived."""
        return self._keep(upload_id, number, (Uploaded(size, crc),))

    def copy_part(self, upload_id: str, number: int, source: SyntheticObject, start: int, length: int) -> StoredPart:
        """Store a range of an object as a part."""
        if start + length > source.size:
            raise StorageError(416, "InvalidRange", f"{start} + {length} of {source.size} bytes")
        return self._keep(upload_id, number, source.cut(start, length))

    def _keep(self, upload_id: str, number: int, pieces: tuple[Piece, ...]) -> StoredPart:
        size = sum(piece.length for piece in pieces)
        if not 1 <= number <= MAX_PARTS:
            raise StorageError(400, "InvalidArgument", f"part number {number}")
        if size > MAX_PART:
            raise StorageError(400, "EntityTooLarge", f"part {number} has {size} bytes")
        part = StoredPart(pieces, size, combined_crc(pieces))
        self.upload(upload_id).parts[number] = part
        return part

    def complete(
        self,
        upload_id: str,
        named: Iterable[CompletePart],
        size: int | None,
        crc: int | None,
        condition: tuple[str | None, str | None],
    ) -> SyntheticObject:
        """Make an object of an upload's parts, if they are as the request says, within S3's limits."""
        upload = self.upload(upload_id)
        parts = _named_parts(upload, list(named))
        made = SyntheticObject(tuple(p for part in parts for p in part.pieces), len(parts), upload.recipe)
        if size is not None and size != made.size:
            raise StorageError(400, "InvalidRequest", f"MpuObjectSize {size}, parts have {made.size} bytes")
        if crc is not None and crc != made.crc64nvme:
            raise StorageError(400, "BadDigest", "The CRC64NVME you specified did not match the calculated checksum.")
        stored = self._store(upload.key, made, condition)
        del self.uploads[upload_id]
        return stored

    def _store(self, key: str, made: SyntheticObject, condition: tuple[str | None, str | None]) -> SyntheticObject:
        if_match, if_none_match = condition
        if if_none_match and key in self.objects:
            raise StorageError(412, "PreconditionFailed", f"{key} exists")
        if if_match:
            self.get(key, if_match)
        if key not in self.objects:
            self._keys.insert(bisect_left(self._keys, key), key)
        self.objects[key] = made
        return made


def _named_parts(upload: Upload, named: list[CompletePart]) -> list[StoredPart]:
    numbers = [it.number for it in named]
    if not numbers or numbers != sorted(set(numbers)):
        raise StorageError(400, "InvalidPartOrder", "Parts must be in ascending order.")
    parts = []
    for it in named:
        part = upload.parts.get(it.number)
        if part is None or part.etag != it.etag or it.crc64nvme not in (None, part.crc64nvme):
            raise StorageError(400, "InvalidPart", f"part {it.number} is not as it was stored")
        if part.size < MIN_PART and it.number != numbers[-1]:
            raise StorageError(400, "EntityTooSmall", f"part {it.number} has {part.size} bytes")
        parts.append(part)
    return parts
