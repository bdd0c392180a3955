"""An environment for each supported version of Airflow, kept in the user's cache between runs of this suite."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.constraints import constraints

ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bedrock-model-import"
REQUIREMENTS = ("requirements.txt", "requirements-compose.txt", "requirements-dev.txt")
COMPLETE = "complete"


class Row(NamedTuple):
    """What one pytest run in one environment ended with."""

    version: str
    suite: str
    result: str
    seconds: float


def _install(folder: Path, pins: str) -> None:
    """Install what the tests need, with these constraints; an interrupted installation is made again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "constraints.txt"
    file.write_text(pins, "utf-8")
    uv = [sys.executable, "-m", "uv"]
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    install = ["pip", "install", "--quiet", "--python", python, "-r", ROOT / REQUIREMENTS[-1], "-c", file]
    subprocess.run([*uv, *install], check=True)
    (folder / COMPLETE).touch()


@pytest.fixture(scope="session")
def python_of() -> Callable[[str], Path]:
    """Return the function that gives the Python of an environment, which it makes at first."""

    def python(version: str) -> Path:
        pins = constraints(version)
        content = pins + "".join((ROOT / name).read_text("utf-8") for name in REQUIREMENTS) + sys.version
        folder = CACHE / f"airflow-{version}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        if not (folder / COMPLETE).exists():
            _install(folder, pins)
        return folder / "venv" / "bin" / "python"

    return python


@pytest.fixture(scope="session")
def rows() -> Iterator[list[Row]]:
    """Yield the rows of the table that is printed at the end."""
    found: list[Row] = []
    yield found
    sys.stdout.write("\n\n| Airflow | Tests | Result | Seconds |\n|---|---|---|---|\n")
    for row in found:
        sys.stdout.write(f"| {row.version} | {row.suite} | {row.result} | {row.seconds:.0f} |\n")


@pytest.fixture
def run_tests(python_of: Callable[[str], Path], rows: list[Row]) -> Callable[..., str]:
    """Return the function that runs tests on a version of Airflow and returns all that pytest printed."""

    def run(version: str, suite: str, *tests: str) -> str:
        python = python_of(version)
        began = time.monotonic()
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=900", *tests]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        last = re.findall(r"^.*\b(?:passed|failed|errors?)\b.*$", done.stdout, re.MULTILINE)
        result = re.sub(r" in \d.*|^=+ | =+$", "", last[-1]) if last else f"pytest ended with {done.returncode}"
        rows.append(Row(version, suite, result, time.monotonic() - began))
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-5000:]
        return done.stdout

    return run
