"""The prefix in S3 to which a checkpoint is delivered, and how requests to it are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from include.delivery.errors import S3RequestError

REMEDIES = {
    "AccessDenied": "Check the policies of the bucket, its KMS key and the credentials in use.",
    "NoSuchBucket": "Create the bucket, or correct its name.",
    "PermanentRedirect": "The bucket is in another region: set the region to the bucket's.",
    "RequestTimeTooSkewed": "This machine's clock is wrong: synchronise it.",
    "SlowDown": "S3 limits the rate: run again later, or use fewer workers.",
}
TRANSIENT_CODES = frozenset(
    {"BadDigest", "InternalError", "RequestTimeout", "SlowDown", "ThrottlingException", "ServiceUnavailable"}
)


@dataclass(frozen=True)
class Destination:
    """A bucket and prefix (without a slash at its end), and what every write to it carries."""

    client: Any
    bucket: str
    prefix: str
    kms_key_id: str | None = None
    expected_bucket_owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 8

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


def request(client: Any, operation: str, uri: str, arguments: Mapping[str, Any], attempts: int = 8) -> dict[str, Any]:
    """Do one S3 request, again where the failure may pass; raises S3RequestError."""
    from botocore.exceptions import BotoCoreError, ClientError
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.2, max=20),
        retry=retry_if_exception(is_transient),
        reraise=True,
    )
    try:
        answer: dict[str, Any] = retrying(getattr(client, operation), **arguments)
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        raise S3RequestError(uri, operation, code, error.response["Error"].get("Message", ""), _remedy(code)) from error
    except BotoCoreError as error:
        raise S3RequestError(uri, operation, type(error).__name__, str(error), "Check the network.") from error
    return answer


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    from botocore.exceptions import ClientError, HTTPClientError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response["Error"].get("Code") in TRANSIENT_CODES
    return isinstance(error, HTTPClientError)


def _remedy(code: str) -> str:
    return REMEDIES.get(code, "Run the upload again; what was sent is kept.")
