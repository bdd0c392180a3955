"""Reading a whole S3 object in order, several ranges at a time, in little memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from include.checkpoint.errors import SourceChangedError, SourceUnreadableError
from include.checkpoint.reading import split_s3_uri
from include.checkpoint.segments import Pin
from include.sources.rate import UNLIMITED, RateLimit
from include.sources.s3_requests import patiently

CHUNK_SIZE = 8 * 2**20
WORKERS = 8


def stream_object(
    client: Any, pin: Pin, limit: RateLimit = UNLIMITED, chunk_size: int = CHUNK_SIZE, workers: int = WORKERS
) -> Iterator[bytes]:
    """Yield the object's bytes in order; memory is about ``chunk_size`` x ``workers``.

    Raises:
        SourceChangedError: the object is no longer the pinned one.
        SourceUnreadableError: S3 refused a request or went on failing.
    """
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
        try:
            for offset in range(0, pin.size, chunk_size):
                waiting.append(pool.submit(_read_range, client, pin, limit, offset, min(chunk_size, pin.size - offset)))
                if len(waiting) >= workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read_range(client: Any, pin: Pin, limit: RateLimit, offset: int, length: int) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    limit.take(length)
    bucket, key = split_s3_uri(pin.uri)
    asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={offset}-{offset + length - 1}", "IfMatch": pin.version}
    try:
        data: bytes = patiently(lambda: client.get_object(**asked)["Body"].read())
    except ClientError as error:
        if error.response["Error"].get("Code") == "PreconditionFailed":
            raise SourceChangedError(pin.uri, f"version {pin.version}", "another one") from error
        raise SourceUnreadableError(pin.uri, str(error)) from error
    except BotoCoreError as error:
        raise SourceUnreadableError(pin.uri, str(error)) from error
    return data
