"""A publisher of a team's own, as docs/publishing.md shows one, and one that fails."""

from __future__ import annotations

from include.aws.clients import AwsClients
from include.publishing.pointer import Pointer

NOTIFIED: list[Pointer] = []


def remember(pointer: Pointer, clients: AwsClients) -> None:
    """Note the champion, where a team would update an agent or a prompt."""
    NOTIFIED.append(pointer)


def fail_once(pointer: Pointer, clients: AwsClients) -> None:
    """Fail at the first call for a champion, and succeed at the second."""
    if pointer not in NOTIFIED:
        NOTIFIED.append(pointer)
        raise ConnectionError("not now")
