"""A TCP gate before the stand-in for AWS: it can be shut, and it can lose the answer to a chosen request."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field

CHUNK = 65536


@dataclass
class _Trap:
    """Forwards the first request that holds these bytes, and then nothing back until it is released."""

    marker: bytes
    caught: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Gate:
    """Forwards connections to a port of loopback. Answers that are held back are lost when they are released."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._trap: _Trap | None = None
        self.bytes_per_second: float | None = None
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._accept()

    def shut(self) -> None:
        """Refuse connections and break those there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _close(connection)

    def open(self) -> None:
        """Let everything through again."""
        self.release()
        self.bytes_per_second = None
        if self._listener.fileno() == -1:
            self._listener = self._listen(self.port)
            self._accept()

    def lose_answer_to(self, marker: bytes) -> None:
        """Hold back the answer to the next request that contains these bytes."""
        self._trap = _Trap(marker)

    def wait_for_request(self, seconds: float) -> bool:
        """Return whether that request was passed on within this time."""
        return self._trap is not None and self._trap.caught.wait(seconds)

    def release(self) -> None:
        """Break the connection whose answer is held back."""
        trap, self._trap = self._trap, None
        if trap:
            trap.released.set()

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port))

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            with self._lock:
                self._connections |= {client, server}
            held: list[_Trap] = []
            threading.Thread(target=self._requests, args=(client, server, held), daemon=True).start()
            threading.Thread(target=self._answers, args=(server, client, held), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, held: list[_Trap]) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK):
                if (trap := self._trap) and not trap.caught.is_set() and trap.marker in data:
                    held.append(trap)
                    trap.caught.set()
                if self.bytes_per_second:
                    threading.Event().wait(len(data) / self.bytes_per_second)
                server.sendall(data)
        self._forget(client, server)

    def _answers(self, server: socket.socket, client: socket.socket, held: list[_Trap]) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                if held:
                    held[0].released.wait()
                    break
                client.sendall(data)
        self._forget(client, server)

    def _forget(self, *connections: socket.socket) -> None:
        with self._lock:
            self._connections -= set(connections)
        for connection in connections:
            _close(connection)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
