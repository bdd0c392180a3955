"""S3 URIs."""

from __future__ import annotations

from typing import NamedTuple

S3_SCHEME = "s3://"


def is_s3_uri(text: str) -> bool:
    """Return whether the text is an ``s3://`` URI."""
    return text.startswith(S3_SCHEME)


class S3Uri(NamedTuple):
    """Bucket and key of an object, or bucket and key prefix of several; the key may be empty."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Uri:
        """Return the parts of ``s3://bucket/key``."""
        bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{S3_SCHEME}{self.bucket}/{self.key}"

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments that name the object in a boto3 call."""
        return {"Bucket": self.bucket, "Key": self.key}
