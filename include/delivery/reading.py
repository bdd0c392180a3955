"""Reading segments when the network is not perfect."""

from __future__ import annotations

from include.checkpoint.errors import SourceTruncatedError, SourceUnreadableError
from include.checkpoint.reading import S3_SCHEME, RangeReader
from include.checkpoint.segments import Segment
from include.delivery.destination import is_transient


def read_patiently(reader: RangeReader, segment: Segment, attempts: int) -> bytes:
    """Return the segment's bytes, trying again where an object's bytes broke off; raises the last failure."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    if not segment.uri.startswith(S3_SCHEME):
        return reader.read(segment.uri, segment.offset, segment.length)
    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.2, max=20),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    return retrying(reader.read, segment.uri, segment.offset, segment.length)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, SourceUnreadableError) and error.__cause__:
        return is_transient(error.__cause__)
    return isinstance(error, SourceTruncatedError) or is_transient(error)
