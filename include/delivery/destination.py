"""The S3 prefix to which a checkpoint is delivered, and the requests to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.aws.calls import ATTEMPTS
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri


@dataclass(frozen=True)
class Destination:
    """A bucket and prefix (without a slash at its end), and the client that reads and writes there."""

    client: Any
    bucket: str
    prefix: str
    attempts: int = ATTEMPTS

    def uri(self, name: str = "") -> str:
        """The ``s3://`` URI of a file, or of the prefix."""
        return str(S3Uri(self.bucket, f"{self.prefix}/{name}"))

    def address(self, name: str) -> dict[str, str]:
        """Return the arguments that identify a file's object."""
        return S3Uri(self.bucket, f"{self.prefix}/{name}").arguments

    def call(self, operation: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        """Send one request about a file, and retry transient failures.

        Raises:
            S3RequestError: S3 refused it, or every attempt failed.
        """
        return request(self.client, operation, self.uri(name), {**self.address(name), **arguments}, self.attempts)
