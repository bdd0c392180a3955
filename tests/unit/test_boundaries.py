from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("aiobotocore", "ml_dtypes", "moto", "numpy", "peft", "pyarrow", "safetensors", "torch", "transformers")
#: Our own light modules must not import these; the provider's classes do.
IMPORTED_BY_THE_PROVIDER = ("awscrt", "boto3")
#: The module that an import names, in the file itself or in a program that it holds as text.
IMPORT_OF_TESTS = re.compile(r"^\s*(?:from|import) (tests\b[\w.]*)(?: import (\w+))?", re.MULTILINE)


def imports_of_tests(folder: str) -> list[tuple[Path, str]]:
    """Return each file of a folder, relative to the project, with the modules below tests/ that it imports."""
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [(path, IMPORT_OF_TESTS.findall((ROOT / path).read_text("utf-8"))) for path in paths]
    return [(path, ".".join(filter(None, names))) for path, imports in found for names in imports]


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


def test_no_file_imports_a_test_module() -> None:
    assert [(path, name) for path, name in imports_of_tests("tests") if ".test_" in name] == []


def test_a_conftest_is_imported_by_the_files_of_its_own_folder_only() -> None:
    imports = [(path, name.partition(".conftest")) for path, name in imports_of_tests("tests")]
    strangers = [
        path for path, (folder, conftest, _) in imports if conftest and Path(*folder.split(".")) not in path.parents
    ]
    assert strangers == []


def test_benchmarks_and_the_product_import_nothing_from_the_tests() -> None:
    assert [
        found for folder in ("benchmarks", "include", "plugins", "dags") for found in imports_of_tests(folder)
    ] == []
