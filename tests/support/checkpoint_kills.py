"""Runs killed with SIGKILL at random moments of their writing, each followed by an undisturbed one."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ATTEMPTS_PER_KILL = 5
POLL_SECONDS = 0.0005


@dataclass(frozen=True)
class KillCase:
    """Work in ``folder``, which holds its inputs already; ``clear`` removes what the work made.

    ``phase`` names how far a killed run came, from what lies in the folder; None before its first write and after its
    last.
    """

    folder: Path
    work: Callable[[], object]
    clear: Callable[[], object]
    phase: Callable[[], str | None]
    results: Callable[[], dict[str, str]]


@dataclass(frozen=True)
class KillResult:
    """How many runs were killed while they wrote, in which phases, and how long they write when nobody kills them."""

    killed: int
    ended_before: int
    phases: Counter[str]
    seconds: float

    def line(self) -> str:
        """What a person wants to know."""
        phases = ", ".join(f"{phase} {number}" for phase, number in sorted(self.phases.items()))
        return (
            f"{self.killed} runs killed while they wrote ({phases}), {self.ended_before} more were too fast; "
            f"a run writes for {self.seconds:.2f} s; each next run ended right"
        )


class HalfDoneError(Exception):
    """A killed run left something under a final name that is not what an undisturbed run writes."""


class NextRunError(Exception):
    """The run after a killed one failed, wrote something else, or left something lying about."""


def kill_at_random(case: KillCase, count: int, seed: int = 0) -> KillResult:
    """Kill ``count`` runs while they write, at moments spread evenly over that time; check what is left after each.

    Raises HalfDoneError or NextRunError.
    """
    inputs = _names(case.folder)
    seconds = _time_undisturbed(case)
    wanted, names = case.results(), _names(case.folder)
    case.clear()
    rng, phases, ended = random.Random(seed), Counter[str](), 0
    while phases.total() < count and phases.total() + ended < ATTEMPTS_PER_KILL * count:
        killed = _killed_after(case, rng.uniform(0, seconds))
        phase = case.phase()
        _check_left(case, wanted)
        if killed and phase:
            phases[phase] += 1
            _check_next_run(case, wanted, names)
        else:
            ended += 1
        case.clear()
        if _names(case.folder) != inputs:
            raise NextRunError(f"left in {case.folder}: {_names(case.folder) - inputs}")
    return KillResult(phases.total(), ended, phases, seconds)


def _time_undisturbed(case: KillCase) -> float:
    """How long a run takes from its first write to its last; leaves the last one's results."""
    durations = []
    for _ in range(4):  # the first warms the caches
        case.clear()
        pid = _start(case)
        start = time.monotonic()
        while case.phase() and _is_running(pid):
            time.sleep(POLL_SECONDS)
        durations.append(time.monotonic() - start)
        if os.waitpid(pid, 0)[1]:
            raise NextRunError(f"the work fails in {case.folder}, although nobody killed it")
    return statistics.median(durations[1:])


def _killed_after(case: KillCase, delay: float) -> bool:
    """Whether the run was still under way ``delay`` seconds after its first write, and died."""
    pid = _start(case)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _start(case: KillCase) -> int:
    """Start the work in a child, and wait for its first write; the child stays a zombie until it is waited for."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            case.work()
            code = 0
        finally:
            os._exit(code)
    while case.phase() is None and _is_running(pid):
        time.sleep(POLL_SECONDS)
    return pid


def _is_running(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _check_left(case: KillCase, wanted: dict[str, str]) -> None:
    for name, digest in case.results().items():
        if digest != wanted.get(name):
            raise HalfDoneError(f"{case.folder / name} after a kill")


def _check_next_run(case: KillCase, wanted: dict[str, str], names: set[str]) -> None:
    if os.waitpid(_start(case), 0)[1]:
        raise NextRunError(f"in {case.folder}: the next run failed")
    if case.results() != wanted:
        raise NextRunError(f"in {case.folder}: the next run wrote something else")
    if _names(case.folder) != names:
        raise NextRunError(f"in {case.folder}: {_names(case.folder) ^ names} differ from an undisturbed run")


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def digest_of(path: Path) -> str:
    """The sha256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
