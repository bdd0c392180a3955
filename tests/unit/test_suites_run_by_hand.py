"""The suites and benchmarks that CI does not run still fit the project: what they import from it exists."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT, ROOT / "plugins", ROOT / "dags")
RUN_BY_HAND = ("tests/long", "tests/faults", "benchmarks")


def source_of(module: str) -> Path | None:
    """Return the file or the folder of a module of this project; None when it has none."""
    places = [source.joinpath(*module.split(".")) for source in SOURCES]
    return next((path for place in places for path in (place.with_suffix(".py"), place) if path.exists()), None)


@cache
def names_of(source: Path) -> frozenset[str]:
    """Return what can be imported from a module, or from a package and its __init__.py."""
    if source.is_dir():
        inside = frozenset(path.stem for path in source.iterdir())
        return inside | (names_of(source / "__init__.py") if "__init__" in inside else frozenset())
    nodes = list(ast.walk(ast.parse(source.read_text("utf-8"))))
    defined = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assigned = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    imported = [node.asname or node.name for node in nodes if isinstance(node, ast.alias)]
    return frozenset(defined + assigned + imported)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each module that a file imports, at the top or inside a function, with each name that it takes from it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def missing(module: str, name: str) -> bool:
    """Return whether an import names something of this project that is not there."""
    if source_of(module.partition(".")[0]) is None:
        return False
    source = source_of(module)
    return source is None or (bool(name) and name not in names_of(source))


@pytest.mark.parametrize("folder", RUN_BY_HAND)
def test_what_a_suite_that_is_run_by_hand_imports_is_there(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert [(path.name, *each) for path in paths for each in imports(path) if missing(*each)] == []
