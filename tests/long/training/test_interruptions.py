"""Training jobs stopped or killed at random moments: the job after one ends with the adapter of an undisturbed one."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from include.training.container.folders import Folders
from tests.support.tiny_training import make_job
from tests.support.training_processes import ForkedJob, adapter_bytes, files_below, run_job, steps_done

BEGIN = "Begins after step"
EVERY_STEP = 1e-9
"""Minutes between checkpoints: a kill then falls into the writing of one as often as into a step."""
SIZES = {"hidden_size": 64, "intermediate_size": 128}
CASES = [("lora", 1, 10), ("lora", 2, 10), ("qlora", 1, 2), ("qlora", 2, 2)]
"""Method, processes, and how many runs are interrupted by each signal."""

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(("method", "world", "count"), CASES)
def test_interrupted_at_a_random_moment_a_training_ends_with_the_same_adapter(
    tmp_path: Path, method: str, world: int, count: int, number: signal.Signals
) -> None:
    if method == "qlora" and find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    settings = {
        "method": method,
        "epochs": 2 if world == 1 else 1,
        "save_minutes": EVERY_STEP if number == signal.SIGKILL else 60,
    }
    undisturbed = make_job(tmp_path / "undisturbed", settings, **SIZES)
    steps = len(run_job(undisturbed, world).losses())
    step_seconds = json.loads((undisturbed.model / "training_card.json").read_text("utf-8"))["seconds"] / steps
    rng, moments, ended = random.Random(f"{method} {world} {number}"), [], 0
    while len(moments) < count:
        assert ended <= count, "the jobs end before they can be interrupted"
        job = _copy_of(undisturbed, tmp_path / "interrupted")
        if _interrupt(ForkedJob(job, world), rng.randrange(steps), rng.uniform(0, step_seconds), number):
            moments.append(steps_done(job))
            _check_next_run(job, undisturbed, world)
            sys.stdout.write(f"\nbit-identical after an interruption behind step {moments[-1]} of {steps}")
        else:
            ended += 1
    sys.stdout.write(f"\n{method}, {world} processes, {number.name}: {count} of {count} bit-identical, {moments}\n")


def _copy_of(job: Folders, folder: Path) -> Folders:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(job.root / "input", folder / "input")
    return Folders(folder)


def _interrupt(running: ForkedJob, step: int, delay: float, number: signal.Signals) -> bool:
    """Send a signal some seconds after the end of a step; False when the job had ended, or ended all the same."""
    running.wait_for(f"step={step} of " if step else BEGIN)
    time.sleep(delay)
    running.send(number)
    code = running.wait()
    assert code in (0, -signal.SIGKILL, 143), running.log()
    return code != 0


def _check_next_run(job: Folders, undisturbed: Folders, world: int) -> None:
    done = steps_done(job)
    resumed: Any = run_job(job, world)
    assert f"{BEGIN} {done} of " in resumed.log()
    assert adapter_bytes(job) == adapter_bytes(undisturbed)
    assert files_below(job.model) == files_below(undisturbed.model)
    assert {path.name for path in job.checkpoints.iterdir()} <= {f"step-{step:09d}.safetensors" for step in range(99)}
