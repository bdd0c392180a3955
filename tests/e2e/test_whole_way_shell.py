"""The documented commands, as printed, in a shell that has the demo's settings and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.airflow_system import System
from tests.support.documents import Block, demo_blocks, project_links

pytestmark = pytest.mark.timeout(900)

COMMANDS, PYTHON = demo_blocks("sh", "console"), demo_blocks("python")
TRIGGER = re.compile(r"^airflow dags trigger (\w+)", re.MULTILINE)
TRIGGERED = {dag_id for block in COMMANDS for dag_id in TRIGGER.findall(block.text)}
#: What a new terminal has; nothing of the tests' own environment.
TERMINAL = {"HOME": os.environ.get("HOME", "/"), "PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture(scope="module")
def folder(system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder in which the demo is up and has imported its model."""
    if not system.approved_versions():
        system.run(adapter="include/demo/adapters/finished")
    folder = tmp_path_factory.mktemp("shell") / "project"
    project_links(folder)
    (folder / ".demo").symlink_to(system.environment.folder)
    return folder


@pytest.fixture(scope="module")
def queued(system: System) -> Iterator[Callable[[], set[tuple[str, str]]]]:
    """DAG and id of each run that was triggered; the DAGs are paused, so that no other test meets these runs."""
    for dag_id in TRIGGERED:
        system.change("PATCH", f"/dags/{dag_id}", {"is_paused": True})

    def runs() -> set[tuple[str, str]]:
        airflow = system.airflow()
        found = [
            run for dag_id in TRIGGERED for run in airflow.get(f"/dags/{dag_id}/dagRuns", state="queued")["dag_runs"]
        ]
        return {(run["dag_id"], run["dag_run_id"]) for run in found}

    yield runs
    for dag_id, run_id in runs():
        system.change("DELETE", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")
    for dag_id in TRIGGERED:
        system.change("PATCH", f"/dags/{dag_id}", {"is_paused": False})


def run(folder: Path, text: str) -> str:
    """Return what the lines print in a new shell that has sourced the demo's settings."""
    command = ["bash", "-euo", "pipefail", "-c", f"source .demo/env\n{text}"]
    done = subprocess.run(command, cwd=folder, env=TERMINAL, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_python(folder: Path, block: Block, before: str = "") -> str:
    """Return what the block prints as a script."""
    (folder / "snippet.py").write_text(block.text, "utf-8")
    return run(folder, f"{before}\npython snippet.py")


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_a_documented_command_works_as_printed_and_reaches_the_demos_airflow(
    folder: Path, queued: Callable[[], set[tuple[str, str]]], block: Block
) -> None:
    before = queued()
    run(folder, block.text)
    assert [dag_id for dag_id, _ in queued() - before] == TRIGGER.findall(block.text)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_documented_python_runs_as_printed(folder: Path, block: Block) -> None:
    printed = run_python(folder, block)
    assert printed.strip() or "print(" not in block.text


def test_the_documented_call_of_a_model_waits_until_a_cold_model_is_loaded(system: System, folder: Path) -> None:
    block = next(block for block in PYTHON if "invoke_model" in block.text)
    system.script_fault("cold", seconds=5)
    assert run_python(folder, block, "export AWS_MAX_ATTEMPTS=1").strip()  # boto3 itself does not wait


def test_the_file_that_a_shell_sources_is_its_owners_and_holds_no_secret(system: System) -> None:
    file = system.environment.shell_file
    assert file.stat().st_mode & 0o777 == 0o600
    held = [secret for secret in (*system.keys, system.environment.password) if secret in file.read_text("utf-8")]
    assert held == []
