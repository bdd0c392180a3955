"""Answer questions about untrusted data in copies of a process that has done its slow imports already.

The process is started once and imports a module; for each question it makes a copy of itself (a fork), with limits on
time and memory, and without credentials. A copy takes milliseconds, the imports of a large library take seconds.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any, NamedTuple

from include.errors import ModelImportError
from include.limited_process import Limits, process_environment, set_limits, why_ended

ROOT = Path(__file__).parents[1]
_RECEIVED = 2**16


class ProcessNotStartedError(ModelImportError):
    """The process that is to answer questions does not run."""

    def __init__(self, module: str, found: str) -> None:
        super().__init__("A process could not be started", module, found=found, remedy="Free memory and try again.")


class Answer(NamedTuple):
    """What the module's ``answer`` yielded, and why it ended early, or None."""

    values: list[Any]
    ended: str | None


class PreparedProcess:
    """A process that has imported ``module``.

    The module has three functions: ``prepare()`` does the imports, ``prepare_for(job)`` those that only some jobs need,
    and ``answer(question, job)`` yields values that JSON can hold. ``environment`` is added to what a process without
    credentials has.
    """

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._module = module
        self._environment = dict(environment)
        self._lock = Lock()
        self._jobs: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._errors = TemporaryFile()  # noqa: SIM115  # as long as the process

    def start(self) -> None:
        """Start it if it does not run; its imports go on while the caller does other work."""
        with self._lock:
            self._running()

    def ask(self, question: str, job: Mapping[str, Any], limits: Limits) -> Answer:
        """Return the answer to a question; ``limits.memory_bytes`` is what it may take beyond the imports.

        Raises:
            ProcessNotStartedError: the process cannot be started, or ends again and again.
        """
        request = json.dumps({"question": question, "job": job, "limits": limits}).encode()
        reason = ""
        for _ in range(2):  # It may have been ended since, by a system that is short of memory.
            try:
                if reply := self._exchange(request):
                    values, ended = json.loads(reply)
                    return Answer(values, ended)
            except OSError as error:
                reason = str(error)
            reason = self.close() or reason
        raise ProcessNotStartedError(self._module, reason)

    def close(self) -> str:
        """End it, until the next question starts it again; return the last line that it wrote as an error."""
        with self._lock:
            if self._jobs is None or self._process is None:
                return ""
            self._jobs.close()
            self._jobs = None
            if self._owner == os.getpid():  # A copy of the caller uses it too, and cannot end it.
                self._process.terminate()
                self._process.wait()
            self._errors.seek(0)
            return (self._errors.read().decode(errors="replace").strip().splitlines() or [""])[-1]

    def _exchange(self, request: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._lock:
                socket.send_fds(self._running(), [b"\0"], [theirs.fileno()])
            ours.sendall(request)
            ours.shutdown(socket.SHUT_WR)
            return _received(ours)

    def _running(self) -> socket.socket:
        if self._jobs is None:
            ours, theirs = socket.socketpair()
            command = [sys.executable, "-P", "-m", "include.prepared_process", self._module]
            environment = process_environment() | self._environment
            self._errors.truncate(0)
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    env=environment,
                    cwd=ROOT,
                )
            self._jobs, self._owner = ours, os.getpid()
            atexit.register(self.close)
        return self._jobs


def _received(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(_RECEIVED), b""))


def main(module_name: str) -> None:
    """Answer the questions that come through standard input, until whoever asks them has ended."""
    module = importlib.import_module(module_name)
    gc.disable()
    module.prepare()
    gc.enable()
    gc.freeze()  # A copy shares the memory of what it does not change, and the collector writes to what it looks at.
    jobs = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    while True:
        _, descriptors, _, _ = socket.recv_fds(jobs, 1, 1)
        if not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as connection, suppress(BrokenPipeError, ConnectionResetError):
            request = json.loads(_received(connection))
            module.prepare_for(request["job"])
            connection.sendall(json.dumps(_answer(module, request)).encode())


def _answer(module: Any, request: Mapping[str, Any]) -> Answer:
    with TemporaryFile() as output, TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            _run(module, request, output, errors)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        errors.seek(0)
        values = [json.loads(line) for line in output if line.endswith(b"\n")]
        ended = why_ended(os.waitstatus_to_exitcode(status), errors.read(), Limits(*request["limits"]))
    return Answer(values, ended)


def _run(module: Any, request: Mapping[str, Any], output: IO[bytes], errors: IO[bytes]) -> None:
    """Answer in this copy of the process, and end it."""
    code = 1
    try:
        for descriptor, file in ((1, output.fileno()), (2, errors.fileno()), (0, os.open(os.devnull, os.O_RDONLY))):
            os.dup2(file, descriptor)
        limits = Limits(*request["limits"])
        set_limits(limits._replace(memory_bytes=_address_space() + limits.memory_bytes))
        signal.setitimer(signal.ITIMER_REAL, limits.waiting_seconds)
        for line in _lines(module.answer(request["question"], request["job"])):
            output.write(line)
            output.flush()
        code = 0
    except BaseException:  # also what a library in another language raises when it panics
        errors.write(traceback.format_exc().encode(errors="backslashreplace"))
        errors.flush()
    finally:
        os._exit(code)


def _lines(values: Iterator[Any]) -> Iterator[bytes]:
    for value in values:
        yield json.dumps(value).encode() + b"\n"


def _address_space() -> int:
    """Return the size of this process in bytes, or 0 where the system does not say it."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


if __name__ == "__main__":
    main(sys.argv[1])
