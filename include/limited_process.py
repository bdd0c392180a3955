"""Run a script on untrusted data in a process with limits on time and memory, and without credentials."""

from __future__ import annotations

import os
import resource
import runpy
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

_ENVIRONMENT = (
    *("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "LD_LIBRARY_PATH"),
    *("HOME", "LANG", "LC_ALL", "TMPDIR"),
)
_PROJECT = str(Path(__file__).resolve().parents[1])
LONGEST_ERROR = 300


class Limits(NamedTuple):
    """What the process may take; ``seconds`` are of a processor."""

    seconds: int
    memory_bytes: int
    output_bytes: int

    @property
    def waiting_seconds(self) -> int:
        """How long it may take by the clock: on a busy machine it gets a small part of a processor."""
        return max(self.seconds * 20 + 60, 1)


def run_limited(script: str, job: bytes | IO[bytes], output: IO[bytes], limits: Limits) -> str | None:
    """Run a Python file, which reads ``job`` from its standard input and writes to ``output``, a file.

    A ``job`` that is a file on the disk is the process's standard input itself, from its start, and is never in memory.

    Returns None when it ended well, else why it did not: the last line it said, or how it was ended.
    """
    command = [sys.executable, "-P", __file__, script, *map(str, limits)]
    given: dict[str, Any] = {"input": job} if isinstance(job, bytes) else {"stdin": job}
    if not isinstance(job, bytes):
        os.lseek(job.fileno(), 0, os.SEEK_SET)
    try:
        done = subprocess.run(
            command,
            **given,
            stdout=output,
            stderr=subprocess.PIPE,
            env=process_environment(),
            timeout=limits.waiting_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {limits.waiting_seconds} seconds"
    return why_ended(done.returncode, done.stderr, limits)


def why_ended(code: int, errors: bytes, limits: Limits) -> str | None:
    """Return why a process with this exit code ended early: what it wrote last to its standard error, or its limit."""
    if code == 0:
        return None
    if code == -signal.SIGXCPU:
        return f"no end within {limits.seconds} seconds of processor time"
    if code == -signal.SIGALRM:
        return f"no end within {limits.waiting_seconds} seconds"
    lines = errors.decode(errors="replace").strip().splitlines()
    return (lines[-1] if lines else f"ended by signal or code {code}")[:LONGEST_ERROR]


def process_environment() -> dict[str, str]:
    """Return the environment of such a process: what Python needs to import this project too, and no credentials."""
    given = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    paths = [_PROJECT, *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(paths)}


def set_limits(limits: Limits) -> None:
    """Limit this process for the rest of its life."""
    for kind, limit, hard in (
        (resource.RLIMIT_CPU, limits.seconds, limits.seconds + 1),  # at the hard one the system only kills
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.output_bytes, limits.output_bytes),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(kind, (limit, hard))


if __name__ == "__main__":
    set_limits(Limits(*map(int, sys.argv[2:])))
    runpy.run_path(sys.argv[1], run_name="__main__")
