"""Compare the objects under a prefix with the expected ones."""

from __future__ import annotations

from collections.abc import Iterable

from include.delivery.errors import DeliveryDiffersError, DeliveryIncompleteError, StaleObjectsError
from include.delivery.upload_plan import RemoteObject


def check_delivery(s3_uri: str, expected: Iterable[RemoteObject], listed: Iterable[RemoteObject]) -> None:
    """Check that the listing holds exactly the expected objects, with their sizes and ETags.

    Raises:
        DeliveryIncompleteError: objects are missing.
        StaleObjectsError: there are others.
        DeliveryDiffersError: an object is not the one that was delivered.
    """
    there = {found.name: found for found in listed}
    wanted = {it.name: it for it in expected}
    if missing := sorted(wanted.keys() - there.keys()):
        raise DeliveryIncompleteError(s3_uri, tuple(missing))
    if extra := sorted(there.keys() - wanted.keys()):
        raise StaleObjectsError(s3_uri, tuple(extra))
    for name, it in wanted.items():
        if (there[name].size, there[name].etag) != (it.size, it.etag):
            raise DeliveryDiffersError(f"{s3_uri}{name}", _say(it), _say(there[name]))


def _say(it: RemoteObject) -> str:
    return f"{it.size} bytes, ETag {it.etag}"
