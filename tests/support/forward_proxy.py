"""An HTTP proxy, the only way to the stand-in for AWS: it knows a name that no resolver knows, and refuses the rest."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

#: Reserved: https://www.rfc-editor.org/rfc/rfc2606. Buckets may stand before it.
HOST = "aws.test"
ENDPOINT = f"http://{HOST}"
_HOP_BY_HOP = {"connection", "content-length", "date", "proxy-connection", "server", "transfer-encoding"}


class ForwardProxy(ThreadingHTTPServer):
    """Forwards requests for ``aws.test`` to a port of loopback. ``passed`` and ``refused`` count them by host."""

    daemon_threads = True

    def __init__(self, target_port: int, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.target = f"localhost:{target_port}"
        self.passed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def config_kwargs(self) -> dict[str, object]:
        """What the AWS connection says to use it."""
        return {"proxies": {"http": self.url, "https": self.url}}


@contextmanager
def forward_proxy(target_port: int, port: int = 0) -> Iterator[ForwardProxy]:
    """A proxy, for as long as the block lasts."""
    with ForwardProxy(target_port, port) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def _forward(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.hostname is None or not f".{url.hostname}".endswith(f".{HOST}"):
            self._refuse(str(url.hostname))
            return
        self.server.passed[HOST] += 1
        there = http.client.HTTPConnection(self.server.target)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        headers["Host"] = url.netloc.replace(HOST, self.server.target)
        there.request(self.command, url._replace(scheme="", netloc="").geturl() or "/", body, headers)
        answer = there.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        there.close()

    def do_CONNECT(self) -> None:
        """Refuse every tunnel."""
        self._refuse(self.path.partition(":")[0])

    def _refuse(self, host: str) -> None:
        self.server.refused[host] += 1
        self.close_connection = True
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward
