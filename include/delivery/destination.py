"""The S3 prefix to which a checkpoint is delivered, and the requests to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.aws.calls import ATTEMPTS
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri


@dataclass(frozen=True)
class Destination:
    """A bucket, a prefix without a trailing slash, and the arguments that every write to it carries."""

    client: Any
    bucket: str
    prefix: str
    kms_key_id: str | None = None
    attempts: int = ATTEMPTS

    def uri(self, name: str = "") -> str:
        """The ``s3://`` URI of a file, or of the prefix."""
        return str(S3Uri(self.bucket, f"{self.prefix}/{name}"))

    def address(self, name: str) -> dict[str, str]:
        """Return the arguments that identify a file's object."""
        return S3Uri(self.bucket, f"{self.prefix}/{name}").arguments

    def writing(self) -> dict[str, str]:
        """Return the arguments of a call that creates an object."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}

    def call(self, operation: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        """Send one request about a file, and retry transient failures.

        Raises:
            S3RequestError: S3 refused it, or every attempt failed.
        """
        return request(self.client, operation, self.uri(name), {**self.address(name), **arguments}, self.attempts)
