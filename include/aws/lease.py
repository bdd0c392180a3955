"""A lease on an S3 object: of all processes of an account at most one at a time does what it protects.

Amazon SageMaker has no conditional write, S3 has. A lease is an object that is created with ``If-None-Match: *``, taken
over with ``If-Match`` once it has expired, and deleted with ``If-Match``; S3 is strongly consistent, so one of several
simultaneous requests succeeds. Its age is the difference of two times of S3's own clock, ``Date`` and ``LastModified``;
the holder counts from before its request, so that it always stops earlier than another process may take over.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html and conditional-deletes.html.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from include.aws.errors import LeaseExpiringError, LeaseHeldError, S3RequestError
from include.aws.s3 import request
from include.aws.s3_uri import S3Uri

log = logging.getLogger(__name__)

#: A lease that is older belongs to a process that was killed. What leases protect takes seconds.
TERM_SECONDS = 120
#: A write needs so much of the term: SageMaker answers within seconds, botocore repeats for less than a minute.
LEAST_SECONDS = 60
#: How long to wait for other holders: a killed one's term, and some that work.
LONGEST_WAIT_SECONDS = 300
#: Seconds between two attempts. S3's times are whole seconds, so an age may be wrong by one.
POLL_SECONDS = 2
#: S3's answers to a condition that does not hold, or that another request made false at the same moment.
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"})


class _Found(NamedTuple):
    """A lease that exists: its ETag, its holder, its token and its age in seconds."""

    etag: str
    owner: str
    token: str
    age: float


class _Clock:
    """Seconds since its creation. A machine that slept moves only one of the two clocks, so the later one counts."""

    def __init__(self) -> None:
        self._monotonic, self._wall = time.monotonic(), time.time()

    def seconds(self) -> float:
        return max(time.monotonic() - self._monotonic, time.time() - self._wall)


class Lease:
    """A lease that this process holds."""

    def __init__(self, place: S3Uri, etag: str, clock: _Clock) -> None:
        self.place, self.etag, self._clock = place, etag, clock

    def check(self) -> None:
        """Raise LeaseExpiringError unless enough of the term is left for one write; call it right before each."""
        left = TERM_SECONDS - self._clock.seconds()
        if left < LEAST_SECONDS:
            raise LeaseExpiringError(str(self.place), LEAST_SECONDS, left)


@contextmanager
def hold_lease(s3: Any, place: S3Uri, owner: str) -> Iterator[Lease]:
    """Hold the lease at ``place`` for the block; wait while another process holds it.

    Args:
        s3: an S3 client.
        place: the lease's object.
        owner: names this process to whoever waits for it.

    Raises:
        LeaseHeldError: others held it for five minutes.
        S3RequestError: S3 refused the request.
    """
    lease = _acquire(s3, place, owner)
    try:
        yield lease
    finally:
        _release(s3, lease)


def _acquire(s3: Any, place: S3Uri, owner: str) -> Lease:
    token, waited = uuid.uuid4().hex, _Clock()
    body = json.dumps({"owner": owner, "token": token, "taken_at": datetime.now(UTC).isoformat(timespec="seconds")})
    expired: _Found | None = None
    while True:
        clock = _Clock()
        if etag := _write(s3, place, body, expired):
            return Lease(place, etag, clock)
        found = _read(s3, place)
        if found and found.token == token:  # the answer to the request was lost, and botocore repeated it
            return Lease(place, found.etag, clock)
        expired = found if found and found.age > TERM_SECONDS else None
        if found is None or expired:
            continue
        if waited.seconds() > LONGEST_WAIT_SECONDS:
            raise LeaseHeldError(str(place), found.owner, found.age, LONGEST_WAIT_SECONDS)
        log.info("%s is held by %s, for %.0f s: waiting", place, found.owner, found.age)
        time.sleep(POLL_SECONDS)


def _write(s3: Any, place: S3Uri, body: str, expired: _Found | None) -> str:
    """Create the lease, or take over an expired one; return its ETag, or nothing if another process was faster."""
    condition = {"IfMatch": expired.etag} if expired else {"IfNoneMatch": "*"}
    if expired:
        log.warning("%s has expired: %s was killed while it held it", place, expired.owner)
    content = {"Body": body.encode(), "ContentType": "application/json"}
    try:
        etag: str = request(s3, "put_object", str(place), {**place.arguments, **content, **condition})["ETag"]
    except S3RequestError as error:
        if error.code not in _LOST:
            raise
        return ""
    return etag


def _read(s3: Any, place: S3Uri) -> _Found | None:
    try:
        answer = request(s3, "get_object", str(place), place.arguments)
        said = json.loads(answer["Body"].read())
    except S3RequestError as error:
        if error.code not in _LOST:
            raise
        return None
    except ValueError:  # not written by this project: it expires like any other
        said = {}
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    age = (now - answer["LastModified"]).total_seconds()
    return _Found(answer["ETag"], str(said.get("owner", "an unknown process")), str(said.get("token", "")), age)


def _release(s3: Any, lease: Lease) -> None:
    """Delete the lease if it is still this process's. What it protected is done, so a failure is only logged."""
    try:
        request(s3, "delete_object", str(lease.place), {**lease.place.arguments, "IfMatch": lease.etag})
    except S3RequestError as error:
        if error.code in _LOST:
            log.warning("%s was taken over by another process meanwhile", lease.place)
        else:
            log.warning("%s. The next holder waits until it has expired, %s s", error, TERM_SECONDS)
