"""The conditions and ranges of copies, decided without I/O."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from include.local_aws.s3.errors import InvalidArgumentError, InvalidRequestError, PreconditionFailedError

SMALLEST_RANGE_SOURCE = 5 * 1024 * 1024
RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class SourceState:
    """What the conditions of a copy are compared with."""

    etag: str
    last_modified: dt.datetime


def check_copy_source(headers: Mapping[str, str], source: SourceState) -> None:
    """Raise PreconditionFailedError unless the x-amz-copy-source-if-… headers (lower-case names) hold.

    As S3 documents: a matching ETag outweighs a failing if-unmodified-since, a matching if-none-match fails
    whatever if-modified-since says.
    """
    match, none_match = (headers.get(f"x-amz-copy-source-if-{name}") for name in ("match", "none-match"))
    unmodified, modified = (
        headers.get(f"x-amz-copy-source-if-{name}") for name in ("unmodified-since", "modified-since")
    )
    if match is not None:
        _require(same_etag(match, source.etag), "x-amz-copy-source-If-Match")
    elif unmodified is not None:
        _require(not _changed_since(source, unmodified), "x-amz-copy-source-If-Unmodified-Since")
    if none_match is not None:
        _require(not same_etag(none_match, source.etag), "x-amz-copy-source-If-None-Match")
    elif modified is not None:
        _require(_changed_since(source, modified), "x-amz-copy-source-If-Modified-Since")


def copy_range(header: str | None, size: int) -> slice:
    """Return the bytes an x-amz-copy-source-range asks for from a source of `size` bytes.

    Raises InvalidArgumentError for other forms than bytes=first-last and for ranges outside of the source, and
    InvalidRequestError for ranges of a source that is not greater than 5 MB, which S3 does not copy from by range.
    """
    if header is None:
        return slice(0, size)
    found = RANGE.fullmatch(header)
    if found is None or int(found[1]) > int(found[2]):
        raise InvalidArgumentError(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    if int(found[2]) >= size:
        raise InvalidArgumentError(
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    if size <= SMALLEST_RANGE_SOURCE:
        raise InvalidRequestError(
            "The specified copy source is not supported as a byte-range copy source: "
            f"it has {size} bytes, a source must be greater than {SMALLEST_RANGE_SOURCE}"
        )
    return slice(int(found[1]), int(found[2]) + 1)


def same_etag(first: str, second: str) -> bool:
    """Whether two ETags are the same, with or without quotes."""
    return first.strip('"') == second.strip('"')


def _changed_since(source: SourceState, header: str) -> bool:
    return source.last_modified.replace(microsecond=0) > parsedate_to_datetime(header)


def _require(holds: bool, condition: str) -> None:
    if not holds:
        raise PreconditionFailedError(
            "At least one of the pre-conditions you specified did not hold", Condition=condition
        )
