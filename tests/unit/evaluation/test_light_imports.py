from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EVALUATION = Path(__file__).parents[3] / "include" / "evaluation"
HEAVY = {"numpy", "pyarrow", "torch", "transformers", "safetensors", "boto3", "aiobotocore"}


def test_no_module_of_the_evaluation_loads_anything_heavy_when_it_is_imported() -> None:
    modules = ", ".join(
        f"include.evaluation.{path.stem}" for path in EVALUATION.glob("*.py") if path.stem != "__init__"
    )
    program = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)
