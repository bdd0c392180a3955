"""The prefix in S3 to which a checkpoint is delivered, and how requests to it are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from include.aws.s3 import ATTEMPTS, request


@dataclass(frozen=True)
class Destination:
    """A bucket and prefix (without a slash at its end), and what every write to it carries."""

    client: Any
    bucket: str
    prefix: str
    kms_key_id: str | None = None
    expected_bucket_owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    attempts: int = ATTEMPTS

    def uri(self, name: str = "") -> str:
        """The ``s3://`` URI of a file, or of the prefix."""
        return f"s3://{self.bucket}/{self.prefix}/{name}"

    def address(self, name: str) -> dict[str, str]:
        """The arguments that name a file's object."""
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{name}", **self.owner()}

    def owner(self) -> dict[str, str]:
        """The argument that makes S3 refuse a bucket of another account."""
        return {"ExpectedBucketOwner": self.expected_bucket_owner} if self.expected_bucket_owner else {}

    def writing(self) -> dict[str, str]:
        """The arguments of a call that creates an object."""
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}
        return {**encryption, "Tagging": urlencode(self.tags)} if self.tags else encryption

    def call(self, operation: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        """Do one request about a file, again where the failure may pass.

        Raises:
            S3RequestError: S3 refused it, or every attempt failed.
        """
        return request(self.client, operation, self.uri(name), {**self.address(name), **arguments}, self.attempts)
