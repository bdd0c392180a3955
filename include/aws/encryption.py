"""Encrypt everything that a client writes to S3 with the account's KMS key."""

from __future__ import annotations

from typing import Any

_WRITES = ("PutObject", "CreateMultipartUpload", "CopyObject")


def encrypt_writes(s3: Any, kms_key_id: str | None) -> None:
    """Have every object that this client creates encrypted with the key; without a key, the bucket decides.

    A bucket's policy may refuse any write without these headers, so they belong to the client and not to its callers.
    """
    if not kms_key_id:
        return

    def add_key(params: dict[str, Any], **_: Any) -> None:
        params.setdefault("ServerSideEncryption", "aws:kms")
        params.setdefault("SSEKMSKeyId", kms_key_id)

    for operation in _WRITES:
        s3.meta.events.register(f"provide-client-params.s3.{operation}", add_key, unique_id=f"kms-{operation}")
