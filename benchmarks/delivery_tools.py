"""The transfer tools that are compared, each at several settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delivery_run import BUCKET
from benchmarks.servers import ACCESS_KEY, SECRET_KEY

ROOT = Path(__file__).resolve().parents[1]
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Took:
    """What a transfer took; start-up of a command-line tool is not counted."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Tool:
    """A tool at one setting; ``run`` takes upload or download, endpoint, folder and prefix."""

    name: str
    setting: str
    run: Callable[[str, str, Path, str], Took]


def tools(aws: str | None, s5cmd: str | None) -> Iterator[Tool]:
    """The tools that are there, ours first."""
    yield Tool("ours", "8 MiB x 8", _python("ours", 8, 8))
    for part, workers in ((8, 8), (16, 8), (8, 16)):
        yield Tool("boto3", f"{part} MiB x {workers}", _python("boto3", part, workers))
    for part, workers in ((8, 10), (16, 8)):
        if aws:
            yield Tool("aws s3 cp", f"{part} MiB x {workers}", _aws(aws, part, workers))
    for part, workers in ((8, 8), (50, 5)):
        if s5cmd:
            yield Tool("s5cmd", f"{part} MiB x {workers}", _s5cmd(s5cmd, part, workers))


def _python(name: str, part: int, workers: int) -> Callable[[str, str, Path, str], Took]:
    def run(verb: str, endpoint_url: str, folder: Path, prefix: str) -> Took:
        module = [sys.executable, "-m", "benchmarks.delivery_run", f"{verb}_{name}"]
        command = [*module, endpoint_url, str(folder), prefix, str(part), str(workers)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
        return Took(**json.loads(done.stdout))

    return run


def _aws(program: str, part: int, workers: int) -> Callable[[str, str, Path, str], Took]:
    start_up = min(_timed([program, "--version"], {}).seconds for _ in range(3))

    def run(verb: str, endpoint_url: str, folder: Path, prefix: str) -> Took:
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as config:
            config.write(
                "[default]\ns3 =\n  addressing_style = path\n"
                f"  max_concurrent_requests = {workers}\n  multipart_chunksize = {part}MB\n"
            )
            config.flush()
            environment = {"AWS_CONFIG_FILE": config.name}
            base = [program, "--endpoint-url", endpoint_url, "s3"]
            source, target = _ends(verb, f"{folder}/", f"s3://{BUCKET}/{prefix}/")
            took = _timed([*base, "cp", "--recursive", "--only-show-errors", source, target], environment)
            return Took(took.seconds - start_up, took.peak_mib)

    return run


def _s5cmd(program: str, part: int, workers: int) -> Callable[[str, str, Path, str], Took]:
    def run(verb: str, endpoint_url: str, folder: Path, prefix: str) -> Took:
        source, target = _ends(verb, f"{folder}/", f"s3://{BUCKET}/{prefix}/")
        source += "*" if verb == "download" else ""
        base = [program, "--endpoint-url", endpoint_url, "--log", "error", "cp"]
        return _timed([*base, "--concurrency", str(workers), "--part-size", str(part), source, target], {})

    return run


def _ends(verb: str, local: str, remote: str) -> tuple[str, str]:
    return (local, remote) if verb == "upload" else (remote, local)


def _timed(command: list[str], environment: dict[str, str]) -> Took:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    started = time.monotonic()
    process = subprocess.Popen(command, env=clean | CREDENTIALS | environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} ended with {status}")
    return Took(time.monotonic() - started, usage.ru_maxrss / 1024)
