"""Writes docs/faults.md: per file of scenarios when it ran, how long it took, and how each scenario ended."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

HEAD = """# Faults: what was broken, and what came of it

Written by `make test-faults` (or, for one file of it, `pytest FILE --faults-report docs/faults.md`); do not edit. Each
scenario runs through a real Airflow (API server, scheduler with LocalExecutor, DAG processor, triggerer: processes of
their own) on the stand-in for AWS. After each, one function (`tests/faults/outcomes.py`) checks: one import job that is
not failed, one imported model, one registered version, the states of run and tasks, no open multipart upload, a cleared
workspace; after a failure, that the task's log names the cause. A time is that of the scenario; where one run
meets several faults, that from the fault until all was well again.
"""
TITLES = {
    "test_clearing.py": "Tasks are cleared",
    "test_kills.py": "Processes are killed",
    "test_network.py": "A proxy is the one way out",
    "test_patience.py": "One run meets everything that passes",
    "test_service.py": "Bedrock refuses, fails and forgets",
    "test_uploads.py": "Uploads are cut off",
}
Row = tuple[str, str, float]


class FaultReport:
    """Collects outcomes while pytest runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file, _, test = report.nodeid.rpartition("/")[2].partition("::")
        self._seconds[file] += report.duration
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            self._rows[file] += _rows(report, test)

    def pytest_runtest_logfinish(self) -> None:
        """Write after each test: a suite that is broken off leaves what it found."""
        sections = _read_sections(self._path) | {
            TITLES[file]: _section(file, rows, self._seconds[file]) for file, rows in self._rows.items()
        }
        self._path.write_text(HEAD + "".join(f"\n## {title}\n{sections[title]}" for title in sorted(sections)))


def _rows(report: pytest.TestReport, test: str) -> list[Row]:
    """Return the stages that a test reported, or the test itself; it too when something else in it failed."""
    parts = [(str(name), *outcome) for name, outcome in report.user_properties]
    if not parts or (report.failed and all(outcome == "passed" for _, outcome, _ in parts)):
        parts.append((_sentence(test), report.outcome, report.duration))
    return parts


def _section(file: str, rows: list[Row], seconds: float) -> str:
    passed = sum(outcome == "passed" for _, outcome, _ in rows)
    facts = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `pytest tests/faults/{file}`, {round(seconds / 60)} min: "
        f"{passed} of {len(rows)} scenarios passed."
    )
    table = [f"| {sentence} | {outcome} | {took:.0f} s |" for sentence, outcome, took in rows]
    return "\n".join(["", facts, "", "| scenario | outcome | time |", "|---|---|---|", *table, ""])


def _read_sections(path: Path) -> dict[str, str]:
    """Return the sections of an earlier run by title."""
    if not path.exists():
        return {}
    parts = re.split(r"^## (.*)\n", path.read_text(), flags=re.MULTILINE)[1:]
    return {title: f"{body.rstrip()}\n" for title, body in zip(parts[::2], parts[1::2], strict=True)}


def _sentence(name: str) -> str:
    """Return a test's name as a sentence, its parameters after a colon."""
    words, _, parameters = name.removeprefix("test_").partition("[")
    sentence = words.replace("_", " ").capitalize()
    return f"{sentence}: {parameters.removesuffix(']')}" if parameters else sentence
