"""An account in this process whose calls happen one at a time, in an order that is drawn.

Every actor is a greenlet that pauses before each of its calls. ``World.play`` draws which one continues, how long calls
take, which process is suspended for minutes, and which is killed. A killed process executes nothing more, not even a
``finally``; its task is retried, as Airflow does.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

from include.aws.lease import LEAST_SECONDS
from include.aws.transient import transient_cause
from include.registry.leases import LEASE_NAME

GROUP, BUCKET = "capitals", "bucket"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: Calls that a check of the lease precedes: a process that was stopped for long just before one is the window that
#: docs/adr/0010 names, so they happen in time.
GUARDED = frozenset({"create_model_package", "update_model_package", "delete_imported_model"})
#: Of a task; more than kills and lost leases take in one history.
TRIES = 9


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Actor:
    """One process: what it does, and when it continues."""

    name: str
    work: Callable[[], None]
    wake: float = 0.0
    pending: str = ""
    since: float = 0.0
    dead: bool = False
    tries: int = 1
    thread: Any = None
    error: BaseException | None = None
    #: Holds no lease, so what it does while another one holds it is the window that the ADR names.
    polite: bool = False


@dataclass
class World:
    """The account. ``log`` has what happened, for a reader; ``writes`` each change of a status with who made it."""

    chance: random.Random
    kills: int = 0
    #: How probable it is that a machine sleeps before a call.
    naps: float = 0.01
    now: float = 0.0
    actors: list[Actor] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    after_call: Callable[[str, str, dict[str, Any]], None] = lambda actor, call, request: None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # Time, as include/aws/lease.py asks for it.
    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        actor = self.current()
        actor.wake, actor.pending = self.now + seconds, "sleep"
        self._stop(actor)

    def date(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)

    def current(self) -> Actor:
        thread = getcurrent()
        return next(actor for actor in self.actors if actor.thread is thread)

    def _stop(self, actor: Actor) -> None:
        if actor.dead:
            raise Killed
        actor.since = self.now
        self._scheduler.switch()
        if actor.dead:
            raise Killed

    def call(self, name: str, request: dict[str, Any], effect: Callable[[], Any]) -> Any:
        """Let others go first, then do one call as a whole."""
        actor = self.current()
        actor.pending = name
        self._stop(actor)
        answer = effect()
        self.log.append(f"{self.now:6.1f} {actor.name}: {name}{_shown(request)}")
        self.after_call(actor.name, name, request)
        return answer

    def add(self, name: str, work: Callable[[], None], after: float = 0.0, *, polite: bool = False) -> None:
        self.actors.append(Actor(name, work, wake=after, polite=polite))

    def play(self) -> None:
        """Let all actors do their work to the end."""
        self._scheduler = getcurrent()
        for actor in self.actors:
            self._start(actor)
        while waiting := [actor for actor in self.actors if actor.thread is not None]:
            ready = [actor for actor in waiting if actor.wake <= self.now]
            ready = [actor for actor in ready if not (actor.polite and self._lease_is_held())] or ready
            if not ready:
                self.now = min(actor.wake for actor in waiting)
                continue
            self._go_on(self._draw(ready))

    def _lease_is_held(self) -> bool:
        return any(key.endswith(LEASE_NAME) for key in self.objects)

    def _draw(self, ready: list[Actor]) -> Actor:
        for actor in ready:  # a call comes to an end before the lease that was checked for it does
            if actor.pending in GUARDED and self.now - actor.since > LEAST_SECONDS / 2:
                return actor
        others = [actor for actor in ready if actor.pending not in GUARDED]
        delays_writes = bool(others) and self.chance.random() < 0.8  # that is when another decision can slip in
        return self.chance.choice(others if delays_writes else ready)

    def _go_on(self, actor: Actor) -> None:
        if actor.pending not in GUARDED and self.chance.random() < self.naps:
            actor.wake = self.now + self.chance.uniform(1, 400)  # the machine sleeps, or the network is away
            return
        if self.kills and actor.pending and self.chance.random() < 0.02:
            self.kills -= 1
            self.log.append(f"{self.now:6.1f} {actor.name}: killed before {actor.pending}")
            actor.dead = True
        self.now += self.chance.uniform(0, 0.5)
        actor.thread.switch()
        if actor.thread.dead:
            actor.thread = None
            if actor.error is not None:
                self._try_again(actor, actor.error)

    def _try_again(self, actor: Actor, error: BaseException) -> None:
        passes = isinstance(error, Killed) or transient_cause(error)
        if not passes or actor.tries == TRIES:
            raise error
        actor.tries += 1
        actor.wake = self.now + 30
        self._start(actor)

    def _start(self, actor: Actor) -> None:
        def run() -> None:
            try:
                actor.work()
            except (Killed, Exception) as error:
                actor.error = error

        actor.dead, actor.error, actor.pending, actor.thread = False, None, "", greenlet(run)


def _shown(request: dict[str, Any]) -> str:
    named = ("Key", "IfMatch", "IfNoneMatch", "ModelPackageArn", "ModelApprovalStatus", "modelIdentifier")
    values = [str(request[name])[-24:] for name in named if name in request]
    return f" {' '.join(values)}" if values else ""
