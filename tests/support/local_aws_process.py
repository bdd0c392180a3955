"""Runs the AWS stand-in as a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10.0
#: What takes nearly all of the stand-in's start. A server loads it once, and every stand-in of this process is a fork
#: of that server. moto reads the account when it is imported, so that option --account-id has no effect on a fork.
_PRELOADED = (
    "include.local_aws.dispatch",
    "include.local_aws.bedrock.generation",
    "include.local_aws.bedrock.loaded_model",
)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(_PRELOADED))


class LocalAwsStartError(Exception):
    """The stand-in ended before it was ready."""


#: What requests to the stand-in's own paths need.
OWN_HEADERS = {"X-Local-Aws": "test"}


class LocalAwsProcess:
    """A stand-in for AWS on a free port of loopback, for as long as the `with` block lasts."""

    def __init__(self, args: Sequence[str] = ()) -> None:
        self.args = ("--port", "0", *args)
        self.endpoint_url = ""
        self.port = 0

    def __enter__(self) -> Self:
        line = self.start()
        ready = re.fullmatch(r"ready (http://.+:(\d+))\n", line)
        if ready is None:
            self.stop()
            raise LocalAwsStartError(f"the stand-in with {' '.join(self.args)} printed {line!r} and ended")
        self.endpoint_url, self.port = ready[1], int(ready[2])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start it and return the first line that it prints."""
        self._output, sender = _FORKS.Pipe(duplex=False)  # left open: moto prints now and then
        self._fork = _FORKS.Process(target=_serve, args=(self.args, dict(os.environ), sender), daemon=True)
        self._fork.start()
        sender.close()  # so that the end of the process is the end of what can be read
        with os.fdopen(self._output.fileno(), closefd=False) as output:
            return output.readline()

    def stop(self) -> None:
        """Ask it to end, and make it end when it does not."""
        self._fork.terminate()
        self._fork.join(STOP_SECONDS)
        if self._fork.is_alive():
            self._fork.kill()
            self._fork.join()
        self._output.close()


def _serve(args: Sequence[str], environment: Mapping[str, str], output: Connection) -> NoReturn:
    """Run the command's main function; the process has the environment of its parent at this moment."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    os.chdir(ROOT)
    os.dup2(output.fileno(), 1)
    from include.local_aws.__main__ import main

    code = main(args)
    sys.stderr.flush()
    os._exit(code)


class LocalAwsCommand(LocalAwsProcess):
    """The same by the command line, as `make demo` starts it: for tests of the process itself."""

    def start(self) -> str:
        """Start it and return the first line that it prints."""
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "include.local_aws", *self.args]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return self.process.stdout.readline()

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
