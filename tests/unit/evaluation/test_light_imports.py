from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"numpy", "torch", "transformers", "safetensors", "boto3", "aiobotocore"}
MODULES = [
    "bootstrap", "comparison", "dataset", "invocation", "local_model", "metrics", "prompts", "qa_accuracy", "report",
    "responses", "results", "storage",
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_evaluation_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, include.evaluation.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)
