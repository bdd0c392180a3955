"""Runs the AWS stand-in as a process of its own, as `make demo` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10.0


class LocalAwsStartError(Exception):
    """The stand-in ended before it was ready."""


#: What requests to the stand-in's own paths need.
OWN_HEADERS = {"X-Local-Aws": "test"}


class LocalAwsProcess:
    """A stand-in for AWS on a free port of loopback, for as long as the `with` block lasts."""

    def __init__(self, args: Sequence[str] = (), python: str = sys.executable) -> None:
        self.args = tuple(args)
        self.python = python
        self.endpoint_url = ""
        self.port = 0

    def __enter__(self) -> LocalAwsProcess:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [self.python, "-m", "include.local_aws", "--port", "0", *self.args]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        ready = re.fullmatch(r"ready (http://.+:(\d+))\n", line)
        if ready is None:
            self.stop()
            raise LocalAwsStartError(f"{' '.join(command)} printed {line!r} and ended with {self.process.returncode}")
        self.endpoint_url, self.port = ready[1], int(ready[2])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end, and make it end when it does not."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
