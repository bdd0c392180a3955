"""The server process: one threaded WSGI server on loopback."""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from include.local_aws.settings import Settings

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

BACKLOG = 128


class LocalAwsError(Exception):
    """The stand-in cannot run."""


class NotLoopbackError(LocalAwsError):
    """The stand-in was configured to listen on an address that other machines can reach."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host

    def __str__(self) -> str:
        return (
            f"The stand-in for AWS verifies no signatures and listens on loopback only: found host {self.host!r}, "
            "expected 127.0.0.1, ::1 or localhost."
        )


class PortTakenError(LocalAwsError):
    """Something else listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host, self.port = host, port

    def __str__(self) -> str:
        return (
            f"Port {self.port} on {self.host} is taken by another process. "
            "Stop it, or choose another port with --port (0 takes a free one). "
            f"To see who holds it: ss -ltnp 'sport = :{self.port}'"
        )


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; one line on standard output says when it is ready.

    Raises NotLoopbackError or PortTakenError before anything else is done.
    """
    stopping = _stop_on_signals()
    with listening(settings.host, settings.port) as listener, _scratch_folder() as folder:
        tempfile.tempdir = folder
        server = _server(settings, listener, Path(folder))
        accepting = threading.Thread(target=server.serve_forever, args=(0.1,), name="accept", daemon=True)
        accepting.start()
        sys.stdout.write(f"ready http://{settings.host}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        stopping.wait()
        server.shutdown()
        server.app.close()  # type: ignore[attr-defined]  # our Dispatcher


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a loopback address; raises NotLoopbackError or PortTakenError."""
    family, address = _loopback_address(host)
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTakenError(host, port) from error
        listener.listen(BACKLOG)
        yield listener


def _loopback_address(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise NotLoopbackError(host) from None
    if not address.is_loopback:
        raise NotLoopbackError(host)
    return (socket.AF_INET if address.version == 4 else socket.AF_INET6), str(address)


def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="local-aws-", ignore_cleanup_errors=True)


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _server(settings: Settings, listener: socket.socket, folder: Path) -> BaseWSGIServer:
    os.environ["MOTO_ACCOUNT_ID"] = settings.account_id
    from include.local_aws.dispatch import create_server  # moto reads the account when it is imported

    del os.environ["MOTO_ACCOUNT_ID"]
    return create_server(settings, listener, folder)
