"""Runs SeaweedFS, an S3 server that shares no code with the stand-in, as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

ACCESS_KEY, SECRET_KEY = "testing", "testing-secret"
IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]
}
READY_SECONDS = 60.0


class SeaweedFsProcess:
    """SeaweedFS on free ports of loopback, telemetry off, for as long as the `with` block lasts."""

    def __enter__(self) -> SeaweedFsProcess:
        self._folder = Path(tempfile.mkdtemp(prefix="seaweedfs-"))
        (self._folder / "identities.json").write_text(json.dumps(IDENTITIES))
        self._ports = _free_ports(8)
        ports = iter(self._ports)
        s3_port = next(ports)
        self.endpoint_url = f"http://127.0.0.1:{s3_port}"
        options = {
            "dir": self._folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.port": next(ports),
            "master.port.grpc": next(ports),
            "volume.port": next(ports),
            "volume.port.grpc": next(ports),
            "volume.max": 100,
            "master.volumeSizeLimitMB": 1024,
            "filer.port": next(ports),
            "filer.port.grpc": next(ports),
            "s3": "true",
            "s3.port": s3_port,
            "s3.port.grpc": next(ports),
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": self._folder / "identities.json",
        }
        program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "weed"
        command = [program, "server", *(f"-{name}={value}" for name, value in options.items())]
        with (self._folder / "log").open("wb") as log:
            environment = os.environ | {"TMPDIR": str(self._folder)}
            self._process = subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it at once, and remove what it stored: nobody will read it again."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        for port in self._ports:  # its local sockets, which it puts there whatever TMPDIR says
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.endpoint_url}/status", timeout=2).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError((self._folder / "log").read_text()[-3000:])


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for it in sockets:
            it.bind(("127.0.0.1", 0))
        return [it.getsockname()[1] for it in sockets]
