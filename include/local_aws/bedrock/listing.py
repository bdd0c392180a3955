"""Filters, order and pages of the List operations."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from botocore.utils import parse_timestamp

from include.local_aws.bedrock.errors import InvalidRequestError

DEFAULT_PAGE = 100
TOKEN_PREFIX = b"after:"


class Listed(Protocol):
    """What can be listed: it has a name, a creation time, and a number that grows with every creation."""

    @property
    def name(self) -> str: ...

    @property
    def created(self) -> datetime: ...

    @property
    def sequence(self) -> int: ...


Item = TypeVar("Item", bound=Listed)


def list_page(items: Iterable[Item], params: Mapping[str, Any]) -> tuple[list[Item], str | None]:
    """Return one page of the items that pass the filters, and the token of the next page, if any.

    The newest come first unless sortOrder says Ascending. A token names the last item of its page, so items created or
    deleted between two calls neither repeat nor hide others. Raises InvalidRequestError for a bad token or time.
    """
    descending = params.get("sortOrder", "Descending") == "Descending"
    chosen = [item for item in items if _passes(item, params)]
    chosen.sort(key=lambda item: item.sequence, reverse=descending)
    token = params.get("nextToken")
    if token is not None:
        last = _last_of_page(token)
        chosen = [item for item in chosen if (item.sequence < last if descending else item.sequence > last)]
    page = chosen[: params.get("maxResults", DEFAULT_PAGE)]
    return page, _token(page[-1]) if len(page) < len(chosen) else None


def _passes(item: Listed, params: Mapping[str, Any]) -> bool:
    after, before = _moment(params, "creationTimeAfter"), _moment(params, "creationTimeBefore")
    return (
        params.get("nameContains", "") in item.name
        and (after is None or item.created > after)
        and (before is None or item.created < before)
        and params.get("statusEquals", getattr(item, "status", None)) == getattr(item, "status", None)
    )


def _moment(params: Mapping[str, Any], name: str) -> datetime | None:
    if name not in params:
        return None
    try:
        moment: datetime = parse_timestamp(params[name])
    except ValueError as error:
        raise InvalidRequestError(f"{name} is not a timestamp: {params[name]!r}.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _token(last: Listed) -> str:
    return base64.urlsafe_b64encode(TOKEN_PREFIX + str(last.sequence).encode()).decode()


def _last_of_page(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token.encode()).removeprefix(TOKEN_PREFIX))
    except ValueError as error:
        raise InvalidRequestError("The nextToken is not one that this operation gave out.") from error
