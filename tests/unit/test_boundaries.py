from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("aiobotocore", "ml_dtypes", "moto", "numpy", "peft", "pyarrow", "safetensors", "torch", "transformers")
#: Not to be imported by our own light modules, but the provider's classes bring them.
BROUGHT_BY_THE_PROVIDER = ("awscrt", "boto3")


def imported_modules(source: str) -> Iterator[str]:
    """Yield what a module imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def forbidden_imports(source: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        module
        for module in imported_modules(source)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def violations(files: list[Path], *forbidden: str) -> dict[str, list[str]]:
    found = {str(path.relative_to(ROOT)): forbidden_imports(path.read_text("utf-8"), forbidden) for path in files}
    return {path: modules for path, modules in found.items() if modules}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import airflow", ["airflow"]),
        ("from airflow.sdk import dag", ["airflow.sdk.dag"]),
        ("def f():\n    import airflow.models", ["airflow.models"]),
        ("import airflowctl\nfrom include import airflow_links", []),
    ],
)
def test_an_import_is_found_wherever_it_hides(source: str, found: list[str]) -> None:
    assert forbidden_imports(source, ("airflow",)) == found


def test_include_is_plain_python_that_knows_neither_airflow_nor_plugin_nor_dags() -> None:
    files = python_files("include")
    assert files
    others = ("artifact_events", "bedrock_import", "model_import_dag", "model_imports_page", "plugins", "dags")
    assert violations(files, "airflow", *others) == {}


def test_the_plugins_for_imports_and_events_know_nothing_of_this_project_so_they_can_move_into_the_provider() -> None:
    files = python_files("plugins/bedrock_import", "plugins/artifact_events")
    assert files
    assert violations(files, "include", "model_import_dag", "dags", "model_imports_page") == {}


def test_the_page_knows_nothing_of_the_dags_and_they_nothing_of_it() -> None:
    page, dags = python_files("plugins/model_imports_page"), python_files("dags")
    assert page
    assert violations(page, "model_import_dag", "dags") == {}
    assert violations(dags, "model_imports_page") == {}


def test_nothing_imports_the_aws_stand_in() -> None:
    stand_in = ROOT / "include/local_aws"
    files = [path for path in python_files("include", "plugins", "dags") if stand_in not in path.parents]
    assert violations(files, "include.local_aws") == {}


def test_every_import_says_from_where_it_imports() -> None:
    relative = {
        str(path): [module for module in imported_modules(path.read_text("utf-8")) if module.startswith(".")]
        for path in python_files("include", "plugins", "dags")
    }
    assert {path: modules for path, modules in relative.items() if modules} == {}


def ruff(filename: str, source: str) -> int:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--quiet",
        "--select",
        "TID253",
        "--stdin-filename",
        filename,
        "-",
    ]
    return subprocess.run(command, cwd=ROOT, input=source, text=True, capture_output=True, check=False).returncode


@pytest.mark.parametrize("module", HEAVY + BROUGHT_BY_THE_PROVIDER)
@pytest.mark.parametrize(
    "filename", ["dags/import_models.py", "include/run/names.py", "plugins/bedrock_import/hooks.py"]
)
def test_the_linter_refuses_a_heavy_import_at_the_top_of_a_light_module(filename: str, module: str) -> None:
    assert ruff(filename, f"import {module}\n") == 1
    assert ruff(filename, f"def work() -> None:\n    import {module}\n") == 0
