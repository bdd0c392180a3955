"""Errors of requests to AWS."""

from __future__ import annotations

from include.errors import ModelImportError


class S3RequestError(ModelImportError):
    """S3 refused a request, or went on failing."""

    def __init__(self, s3_uri: str, operation: str, code: str, message: str, remedy: str) -> None:
        super().__init__(f"S3 {operation} failed", s3_uri, found=f"{code}: {message}", remedy=remedy)
        self.code = code
