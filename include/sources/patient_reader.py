"""Retry range reads after transient failures, and limit their bandwidth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from include.aws.calls import ATTEMPTS, patiently
from include.aws.errors import S3RequestError
from include.aws.s3 import remedy_for
from include.aws.s3_uri import is_s3_uri
from include.aws.transient import is_worth_repeating
from include.checkpoint.errors import SourceTruncatedError, SourceUnreadableError
from include.checkpoint.files.reading import RangeReader
from include.checkpoint.files.segments import Pin
from include.sources.rate import UNLIMITED, RateLimit

T = TypeVar("T")


class PatientReader:
    """Pass reads through; transient failures of S3 are retried, and ``limit`` bounds the bytes per second.

    Its methods raise S3RequestError when every attempt failed, so that the task is retried, and what ``reader`` raises
    where a retry is useless.
    """

    def __init__(self, reader: RangeReader, attempts: int = ATTEMPTS, limit: RateLimit = UNLIMITED) -> None:
        self._reader = reader
        self._attempts = attempts
        self._limit = limit

    def read(self, uri: str, offset: int, length: int) -> bytes:
        if is_s3_uri(uri):
            self._limit.take(length)
        return self._try(uri, "get_object", lambda: self._reader.read(uri, offset, length))

    def pin(self, uri: str) -> Pin:
        return self._try(uri, "head_object", lambda: self._reader.pin(uri))

    def files(self, uri: str) -> dict[str, Pin]:
        return self._try(uri, "list_objects_v2", lambda: self._reader.files(uri))

    def _try(self, uri: str, operation: str, call: Callable[[], T]) -> T:
        if not is_s3_uri(uri):
            return call()
        try:
            return patiently(call, self._attempts, may_pass)
        except Exception as error:
            if not may_pass(error):
                raise
            code = _code_of(error.__cause__ or error)
            raise S3RequestError(uri, operation, code, str(error.__cause__ or error), remedy_for(code)) from error


def may_pass(error: BaseException) -> bool:
    """Return whether a retry may succeed."""
    if isinstance(error, SourceUnreadableError) and error.__cause__:
        return is_worth_repeating(error.__cause__)
    return isinstance(error, SourceTruncatedError) or is_worth_repeating(error)


def _code_of(error: BaseException) -> str:
    answer = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", type(error).__name__))
