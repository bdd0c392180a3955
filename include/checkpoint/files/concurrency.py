"""Results of threads, in the order in which they were asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_order(futures: Iterable[Future[Result]], ahead: int) -> Iterator[Result]:
    """The results in order; ``ahead`` more are asked for before each is waited for."""
    pending: deque[Future[Result]] = deque()
    for future in futures:
        pending.append(future)
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
