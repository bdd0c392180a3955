"""moto's objects and uploads, with their bytes in the byte store instead of in memory.

moto keeps values of up to 16 MiB in memory (so all parts of an upload), joins a completed upload in memory several
times over, and reads a whole object for every ranged GET. These subclasses take the place of its classes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.core.utils import utcnow
from moto.s3 import models, responses
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.s3.notifications import S3NotificationEvent, send_event

from include.local_aws.s3.checksums import ALGORITHMS, DEFAULT_ALGORITHM, MD5, Algorithm, encoded
from include.local_aws.s3.multipart import (
    FULL_OBJECT,
    CompletedPart,
    Completion,
    UploadChecksum,
    complete,
    upload_checksum,
)
from include.local_aws.s3.stored_bytes import ByteStore, StoredBytes

WRITING = threading.RLock()
"""Held while a write checks its conditions and takes effect: of two writers with If-None-Match one is refused."""
INTERNAL_METADATA = ("x-amz-checksum-algorithm", "x-amz-checksum-type")


class StoredKey(FakeKey):  # type: ignore[misc]
    """An object, or a part of an upload. `byte_store` is set by `install`."""

    byte_store: ByteStore

    @property
    def value(self) -> StoredBytes:
        """The bytes of the object."""
        return self._stored

    @value.setter
    def value(self, new_value: bytes | str | StoredBytes) -> None:
        raw = new_value.encode() if isinstance(new_value, str) else new_value
        self._stored = raw if isinstance(raw, StoredBytes) else self.byte_store.keep(raw)
        self.contentsize = len(self._stored)

    @property
    def etag(self) -> str:
        """The ETag in quotes."""
        return f'"{self._etag or self._stored.digest(MD5).hex()}"'

    def dispose(self, garbage: bool = False) -> None:
        """Let go of the bytes."""
        super().dispose(garbage=False)
        self._stored = StoredBytes()

    def keep_checksum(self, algorithm: Algorithm) -> str:
        """Compute and keep the full-object checksum of this algorithm; return it as headers show it."""
        self.checksum_algorithm, self.checksum_type = algorithm.name, FULL_OBJECT
        self.checksum_value = encoded(self._stored.digest(algorithm))
        self.checksum_parts: int | None = None
        return self.checksum_value


class StoredMultipart(FakeMultipart):  # type: ignore[misc]
    """A multipart upload that is completed by reference, under S3's rules."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initiated = utcnow()

    @property
    def checksum(self) -> UploadChecksum:
        """The checksum the upload was created with."""
        return upload_checksum(*(self.metadata.get(name) for name in INTERNAL_METADATA))

    def completion(self, given: Sequence[CompletedPart], headers: Mapping[str, str]) -> Completion:
        """Return the completed object; raises the S3Error that S3 answers with."""
        return complete(self.checksum, {number: key.value for number, key in self.parts.items()}, given, headers)


def store_completion(
    backend: S3Backend, bucket_name: str, upload: StoredMultipart, completion: Completion
) -> StoredKey:
    """Put the completed object into the bucket in place of the upload.

    moto's own way sends an ObjectCreated:Put event beside the ObjectCreated:CompleteMultipartUpload one; S3 does not.
    """
    bucket = backend.get_bucket(bucket_name)
    key: StoredKey = backend.put_object(
        bucket_name,
        upload.key_name,
        completion.body,
        storage=upload.storage,
        etag=completion.etag,
        multipart=upload,
        encryption=upload.sse_encryption,
        kms_key_id=upload.kms_key_id,
        disable_notification=True,
    )
    key.set_metadata({name: value for name, value in upload.metadata.items() if name not in INTERNAL_METADATA})
    key.checksum_algorithm, key.checksum_type = upload.checksum.algorithm.name, upload.checksum.type
    key.checksum_value, _, parts = completion.checksum.partition("-")
    key.checksum_parts = int(parts) if parts else None
    backend.put_object_tagging(key, upload.tags)
    backend.put_object_acl(bucket_name, key.name, upload.acl, disable_notification=True)
    del bucket.multiparts[upload.id]
    send_event(backend.account_id, S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT, bucket, key)
    return key


def compute_checksum(body: StoredBytes, algorithm: str, encode_base64: bool = True) -> bytes:
    """Return a checksum. Takes the place of moto's, which answers CRC32 for CRC32C."""
    digest = body.digest(ALGORITHMS[algorithm])
    return encoded(digest).encode() if encode_base64 else digest


def install(byte_store: ByteStore) -> None:
    """Make moto's S3 keep its bytes in the store."""
    StoredKey.byte_store = byte_store
    responses.compute_checksum = compute_checksum
    models.FakeKey = StoredKey
    models.FakeMultipart = StoredMultipart
    S3Backend.copy_object = _with_checksum_of_copy(S3Backend.copy_object)


def _with_checksum_of_copy(copy_object: Callable[..., None]) -> Callable[..., None]:
    """moto copies the checksum of the source, also a composite one. S3 computes that of the whole object again."""

    def copy_object_with_checksum(
        self: S3Backend, src_key: Any, dest_bucket_name: str, dest_key_name: str, **options: Any
    ) -> None:
        copy_object(self, src_key, dest_bucket_name, dest_key_name, **options)
        copied: Any = self.get_object(dest_bucket_name, dest_key_name)
        copied.keep_checksum(ALGORITHMS[src_key.checksum_algorithm or DEFAULT_ALGORITHM])

    return copy_object_with_checksum
