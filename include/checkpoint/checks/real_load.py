"""Load a checkpoint with Bedrock's transformers and compute with it; the other checks read headers only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.transformers_process import ask_transformers
from include.checkpoint.files.defects import Defect
from include.limited_process import Limits

BASE_SECONDS, BASE_MEMORY = 120, 8 * 2**30
SECONDS_PER_GB, MEMORY_FACTOR = 60, 3
MAX_OUTPUT = 2**20


def load_defects(folder: Path, size: int) -> Iterator[Defect]:
    """Load the folder in a separate process with limits on time and memory; yield what fails.

    Args:
        folder: an ordinary Hugging Face folder.
        size: its size in bytes; the limits grow with it.
    """
    seconds = BASE_SECONDS + SECONDS_PER_GB * size // 10**9
    limits = Limits(seconds, BASE_MEMORY + MEMORY_FACTOR * size, MAX_OUTPUT)
    values, ended = ask_transformers("model", limits, folder=str(folder.absolute()))
    if ended or not values:
        yield defects.LoadNotFinishedError(str(folder), "a process that loads it", ended or "no answer")
    elif values[0]:
        yield defects.LoadFailedError(str(folder), "a model that computes", values[0])
