from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("aiobotocore", "ml_dtypes", "moto", "numpy", "peft", "pyarrow", "safetensors", "torch", "transformers")
#: Our own light modules must not import these; the provider's classes do.
IMPORTED_BY_THE_PROVIDER = ("awscrt", "boto3")


def banned_imports(filename: str, source: str) -> list[str]:
    """Return what ruff says of a module with this source, one line per banned import."""
    options = ["--quiet", "--select", "TID253", "--output-format", "concise", "--stdin-filename", filename]
    command = [sys.executable, "-m", "ruff", "check", *options, "-"]
    found = subprocess.run(command, cwd=ROOT, input=source, text=True, capture_output=True, check=False)
    return found.stdout.splitlines()


@pytest.mark.parametrize(
    "filename", ["dags/import_models.py", "include/run/names.py", "plugins/bedrock_import/hooks.py"]
)
def test_the_linter_refuses_a_heavy_import_at_the_top_of_a_light_module_only(filename: str) -> None:
    modules = HEAVY + IMPORTED_BY_THE_PROVIDER
    found = banned_imports(filename, "\n".join(f"import {module}" for module in modules) + "\n")
    assert [module for module in modules if not any(f"`{module}`" in line for line in found)] == []
    inside = "\n".join(f"    import {module}" for module in modules)
    assert banned_imports(filename, f"def work() -> None:\n{inside}\n") == []
