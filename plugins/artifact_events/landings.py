"""Hold messages until their artifact is no longer written to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from artifact_events.completeness import is_archive
from artifact_events.messages import Notice, ObjectWritten, TrainingJobChanged


@dataclass
class Message:
    """A message of the queue; it may be deleted when every landing that it announced was handled."""

    receipt_handle: str
    landings_left: int = 0


@dataclass
class Landing:
    """Something that landed: a training job's end, or objects in one folder of a bucket.

    ``claimed`` is set by every trigger that watches the artifact; an unclaimed landing stays in the queue, where
    another triggerer may find it. ``undecided`` counts the triggers that are looking at it; one that was stopped
    meanwhile never says that it is done.
    """

    notice: Notice
    claimed: bool = False
    undecided: int = 0
    messages: list[Message] = field(default_factory=list)

    @property
    def dealt_with(self) -> bool:
        """Whether at least one trigger took it and none was stopped while looking at it."""
        return self.claimed and not self.undecided

    def describe(self) -> str:
        """Return what landed, for the log."""
        if isinstance(self.notice, TrainingJobChanged):
            return f"training job {self.notice.name}"
        return f"s3://{self.notice.bucket}/{self.notice.key}"


@dataclass
class _Held:
    landing: Landing
    first: float
    last: float


def _place(notice: Notice) -> tuple[str, ...]:
    """Notices of one place are one landing: the files of a folder, an archive, a training job's change of state."""
    if isinstance(notice, ObjectWritten):
        return (notice.bucket, notice.key if is_archive(notice.key) else notice.key.rpartition("/")[0])
    return (notice.name, notice.status)


class Settling:
    """Landings that wait until nothing was added to them for ``settle_seconds``, or for ``longest`` at most."""

    def __init__(self, settle_seconds: float, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle_seconds, self._longest, self._clock = settle_seconds, longest, clock
        self._held: dict[tuple[str, ...], _Held] = {}

    def add(self, notices: tuple[Notice, ...], message: Message) -> None:
        """Hold a message for each place that it names."""
        now = self._clock()
        for place, notice in {_place(notice): notice for notice in notices}.items():
            held = self._held.setdefault(place, _Held(Landing(notice), now, now))
            held.last = now
            held.landing.notice = notice
            held.landing.messages.append(message)
            message.landings_left += 1

    def settled(self) -> list[Landing]:
        """Return the landings that have come to rest, and hold them no longer."""
        now = self._clock()
        ready = [place for place, held in self._held.items() if self._is_ready(held, now)]
        return [self._held.pop(place).landing for place in ready]

    def __bool__(self) -> bool:
        return bool(self._held)

    def _is_ready(self, held: _Held, now: float) -> bool:
        return now - held.last >= self._settle_seconds or now - held.first >= self._longest
