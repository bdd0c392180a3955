"""The boto3 clients of one set of credentials and one region."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from include.aws.encryption import encrypt_writes


class AwsClients:
    """The clients that the project needs, each created when it is first used.

    Args:
        connect: returns a client for a service's name in boto3, such as ``service-quotas``.
        kms_key_id: the KMS key that encrypts what is written to S3; without one, the bucket's own encryption.
    """

    def __init__(self, connect: Callable[[str], Any], kms_key_id: str | None = None) -> None:
        def connected(service: str) -> Any:
            client = connect(service)
            if service == "s3":
                encrypt_writes(client, kms_key_id)
            return client

        self._client = cache(connected)

    @property
    def bedrock(self) -> Any:
        """Import jobs and imported models."""
        return self._client("bedrock")

    @property
    def bedrock_runtime(self) -> Any:
        """Calls of imported models."""
        return self._client("bedrock-runtime")

    @property
    def cloudwatch(self) -> Any:
        """Metrics."""
        return self._client("cloudwatch")

    @property
    def events(self) -> Any:
        """The event bus."""
        return self._client("events")

    @property
    def iam(self) -> Any:
        """Roles, and the policy simulator."""
        return self._client("iam")

    @property
    def kms(self) -> Any:
        """The keys that encrypt checkpoints and imported models."""
        return self._client("kms")

    @property
    def s3(self) -> Any:
        """Sources, checkpoints and reports."""
        return self._client("s3")

    @property
    def sagemaker(self) -> Any:
        """The model registry and training jobs."""
        return self._client("sagemaker")

    @property
    def service_quotas(self) -> Any:
        """The account's quotas."""
        return self._client("service-quotas")

    @property
    def ssm(self) -> Any:
        """Parameters."""
        return self._client("ssm")

    @property
    def sts(self) -> Any:
        """Who the caller is."""
        return self._client("sts")

    def other(self, service: str) -> Any:
        """Return the client of a service that only a team's own functions use, by its name in boto3."""
        return self._client(service)

    @property
    def region_name(self) -> str:
        """The region they ask."""
        return str(self.bedrock.meta.region_name)
