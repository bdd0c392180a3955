"""Errors of requests to AWS."""

from __future__ import annotations

from include.errors import ModelImportError


class S3RequestError(ModelImportError):
    """S3 refused a request or kept failing."""

    def __init__(self, s3_uri: str, operation: str, code: str, message: str, remedy: str) -> None:
        super().__init__(f"S3 {operation} failed", s3_uri, found=f"{code}: {message}", remedy=remedy)
        self.code = code


class LeaseError(ModelImportError):
    """The lease that a change needs could not be acquired or kept; a retry may succeed."""


class LeaseHeldError(LeaseError):
    """Other processes held the lease for the whole waiting time."""

    def __init__(self, s3_uri: str, owner: str, age: float, waited: int) -> None:
        super().__init__(
            "Another process is changing this model's versions",
            s3_uri,
            f"the lease to become free within {waited} s",
            f"{owner} has held it for {age:.0f} s",
            "Nothing was changed. The task is tried again; if it fails again, see what that run is doing.",
        )


class LeaseUnknownError(LeaseError):
    """The first version of a model was registered while a change without a lease was under way."""

    def __init__(self, group: str) -> None:
        super().__init__(
            "The first version of this model was registered at this moment",
            group,
            remedy="Nothing was changed. The task is tried again.",
        )


class LeaseExpiringError(LeaseError):
    """Too little of a lease is left for another write."""

    def __init__(self, s3_uri: str, least: int, left: float) -> None:
        super().__init__(
            "This process was too slow: its lease is about to expire, and another process may take it over",
            s3_uri,
            f"{least} s left before a write",
            f"{left:.0f} s",
            "Completed writes are kept. The task is retried and continues from there.",
        )
