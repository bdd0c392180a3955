"""What the changes of a model's versions give when they happen one by one, by the rules of docs/promotion.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple


class Run(NamedTuple):
    """A run: its content, how many of the records that answers right, its rules, and what is answered about it."""

    name: str
    content: int
    right: int
    promotion: str
    approved: bool
    by: str
    keep: int

    @property
    def fingerprint(self) -> str:
        return f"{self.content:064x}"


class Change(NamedTuple):
    """A status that was written, and for an approval the content that was the champion when it was requested."""

    kind: str
    content: int
    status: str
    run: Run | None = None
    seen: int | None = None


@dataclass(frozen=True)
class Standing:
    """A version when changes happen one by one."""

    content: int
    right: int
    status: str
    status_set: str
    by_person: bool = False

    @property
    def settled(self) -> bool:
        return self.status == "Approved" or self.by_person or self.status != self.status_set


States = tuple[Standing, ...]


def champion_in(states: States) -> Standing | None:
    return next((standing for standing in reversed(states) if standing.status == "Approved"), None)


def decided(states: States, run: Run) -> str:
    """The status that the rules give the run's content, see docs/promotion.md."""
    own = next((standing for standing in states if standing.content == run.content), None)
    champion = champion_in(states)
    if own and own.settled:
        return own.status
    if champion and champion.right > run.right:
        return "Rejected"
    return "Approved" if run.promotion == "auto" else "PendingManualApproval"


def after(states: States, change: Change) -> States | None:
    """The versions after the change; None when it would not have happened, or not in this way."""
    own = next((standing for standing in states if standing.content == change.content), None)
    if change.kind == "register":
        assert change.run is not None
        if decided(states, change.run) != change.status:
            return None
        if own is None:
            return (*states, Standing(change.content, change.run.right, change.status, change.status))
    if own is None:
        return None
    champion = champion_in(states)
    refused = champion != own and content_of(champion) != change.seen
    if change.kind == "answer" and change.status == "Approved" and refused:
        return None
    changed = replace(own, status=change.status)
    if change.kind != "studio" and not (change.kind == "register" and own.settled):
        person = change.kind == "roll back" or (change.kind == "answer" and bool(change.run and change.run.by))
        changed = replace(changed, status_set=change.status, by_person=own.by_person or person)
    return tuple(changed if standing is own else standing for standing in states)


def serial_orders(changes: tuple[Change, ...], states: States = ()) -> Iterator[States]:
    """Yield what every order gives in which all changes happen as they did; one run's changes keep their order."""
    if not changes:
        yield states
    for index, change in enumerate(changes):
        earlier = [other for other in changes[:index] if other.run == change.run]
        if not earlier and (then := after(states, change)) is not None:
            yield from serial_orders(changes[:index] + changes[index + 1 :], then)


def content_of(standing: Standing | None) -> int | None:
    return standing.content if standing else None
