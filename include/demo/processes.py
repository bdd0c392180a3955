"""Start, track and stop the demo's background processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from include.errors import ModelImportError

LOOPBACK = "127.0.0.1"
STOP_TIMEOUT = 15.0


class ProcessDiedError(ModelImportError):
    """A background process ended unexpectedly."""

    def __init__(self, name: str, returncode: int | None, log_file: Path) -> None:
        tail = "\n  ".join(log_file.read_text(errors="replace").splitlines()[-15:])
        super().__init__(
            "A process of the demo ended",
            name,
            "it goes on",
            f"exit code {returncode}\n  {tail}",
            f"Its log: {log_file}",
        )


class Started(NamedTuple):
    """A process identified by pid and start time, so that a reused pid does not match."""

    name: str
    pid: int
    create_time: float


def port_holder(port: int) -> str | None:
    """Return the process that listens on the loopback port, as "name (pid)", or None if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return _listener(port)
    return None


def _listener(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows other users' sockets to root only
        connections = []
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "a process of another user"


def free_port(preferred: int) -> tuple[int, str | None]:
    """Return a free port, ``preferred`` if possible, and the process that holds the preferred one otherwise."""
    holder = port_holder(preferred)
    if holder is None:
        return preferred, None
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1]), holder


class ProcessGroup:
    """Background processes, recorded in a file so that a later command can stop them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "processes.json"
        self.started = self._load()

    def _load(self) -> list[Started]:
        try:
            return [Started(*entry) for entry in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a process in its own session; its output goes to ``<name>.log``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log_file(name).open("ab") as log:
            process = subprocess.Popen(
                command, env=dict(env), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(Started(name, process.pid, psutil.Process(process.pid).create_time()))
        self._file.write_text(json.dumps(self.started))

    def log_file(self, name: str) -> Path:
        """Return the path of the process's log file."""
        return self._folder / f"{name}.log"

    def alive(self) -> list[Started]:
        """Return the started processes that are still running."""
        return [entry for entry in self.started if _find(entry)]

    def check(self) -> None:
        """Raise ProcessDiedError if one of them has ended."""
        for entry in self.started:
            process = _find(entry)
            if process is None:
                raise ProcessDiedError(entry.name, None, self.log_file(entry.name))

    def stop(self) -> list[str]:
        """Stop them with their children; return the names of those that were running."""
        names = [entry.name for entry in self.alive()]
        trees = [process for entry in self.started if (root := _find(entry)) for process in _tree(root)]
        _signal(trees, signal.SIGTERM)
        _, remaining = psutil.wait_procs(trees, timeout=STOP_TIMEOUT)
        _signal(remaining, signal.SIGKILL)
        psutil.wait_procs(remaining, timeout=STOP_TIMEOUT)
        self.started = []
        self._file.unlink(missing_ok=True)
        return names


def _find(entry: Started) -> psutil.Process | None:
    try:
        process = psutil.Process(entry.pid)
        if process.create_time() != entry.create_time or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return []


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def wait_for_line(path: Path, prefix: str, timeout: float, group: ProcessGroup) -> str:
    """Wait for a log line that starts with ``prefix``, and return the rest of the line."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
        group.check()
        time.sleep(0.1)
    raise ProcessDiedError(path.stem, None, path)


def inherited_environment() -> dict[str, str]:
    """Return the environment without settings of other Airflow installations or AWS accounts."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
