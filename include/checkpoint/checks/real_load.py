"""Whether Bedrock's transformers really loads a checkpoint and computes with it; the other checks read headers only."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from include.checkpoint.checks import loading
from include.checkpoint.checks import model_defects as defects
from include.checkpoint.files.defects import Defect
from include.limited_process import Limits, run_limited

# Importing torch and transformers, and their address space.
BASE_SECONDS, BASE_MEMORY = 120, 16 * 2**30
SECONDS_PER_GB, MEMORY_FACTOR = 60, 3
MAX_OUTPUT = 2**20


def load_defects(folder: Path, size: int) -> Iterator[Defect]:
    """Load the folder in a process of its own with limits on time and memory; yield what it cannot do.

    Args:
        folder: an ordinary Hugging Face folder.
        size: its size in bytes; the limits grow with it.
    """
    seconds = BASE_SECONDS + SECONDS_PER_GB * size // 10**9
    limits = Limits(seconds, BASE_MEMORY + MEMORY_FACTOR * size, MAX_OUTPUT)
    with tempfile.TemporaryFile() as output:
        job = json.dumps({"folder": str(folder.absolute())}).encode()
        ended = run_limited(loading.__file__, job, output, limits)
        output.seek(0)
        said = output.read()
    if ended or not said:
        yield defects.LoadNotFinishedError(str(folder), "a process that loads it", ended or "no answer")
        return
    result = json.loads(said)
    if result["failed"]:
        yield defects.LoadFailedError(str(folder), f"{result['failed']} without a complaint", result["problem"])
