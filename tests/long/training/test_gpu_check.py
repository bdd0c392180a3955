"""The check for a machine with GPUs goes through on a CPU, with a small model."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from include.run.workspace import PROJECT_ROOT

pytestmark = pytest.mark.timeout(1800)
SMALL = ["--tiny", "--method", "lora", "--steps", "4", "--length", "256", "--batch-tokens", "1024", "--processes", "2"]


def test_it_trains_some_steps_and_reports_memory_and_speed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", *SMALL],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 processes on cpu, lora" in done.stdout
    for what in ("tokens per second", "peak memory of a process", "checkpoint", "adapter"):
        assert re.search(rf"^{what}: [0-9.]+", done.stdout, re.M), what
