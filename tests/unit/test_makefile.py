from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin"}  # not the settings of the make that runs these tests
# Stands in for python3 and for .venv/bin/python: notes what it is asked for, and makes a .venv out of itself.
FAKE_PYTHON = """#!/usr/bin/env bash
echo "$*" >> {log}
case "$*" in
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m uv pip install"*) exit "${{UV_EXIT:-0}}" ;;
    *version_info*) exit "${{TOO_OLD:-0}}" ;;
    --version) echo "Python 3.10.9" ;;
esac
"""


class Project:
    """A folder with our Makefile and a Python that only takes notes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder.parent / "asked.log"
        folder.mkdir()
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt", "requirements.lock"):
            (folder / name).write_text("some-package==1\n", "utf-8")
        self.python = folder.parent / "python3"
        self.python.write_text(FAKE_PYTHON.format(log=self.log), "utf-8")
        self.python.chmod(0o755)

    def make(self, *targets: str, python: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["make", *targets, f"PYTHON={python or self.python}"]
        environment = {**CLEAN, **environment}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def installations(self) -> int:
        return sum(line.startswith("-m uv pip install") for line in self.asked())

    def asked(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_help_is_the_default_and_explains_every_command_in_one_line() -> None:
    listed = subprocess.run(
        ["make"], cwd=ROOT, env=CLEAN, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    [targets] = re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert [line.split()[1] for line in listed] == targets.split()
    assert [line for line in listed if len(line.split()) < 4] == []


def test_the_environment_is_installed_once_from_the_lock_file_with_hashes(project: Project) -> None:
    assert project.make("test").returncode == 0
    assert project.make("test").returncode == 0
    [installation] = [line for line in project.asked() if line.startswith("-m uv pip install")]
    assert installation.endswith("-r requirements.lock -r requirements-dev.txt -c constraints.txt")


@pytest.mark.parametrize(
    "changed", ["requirements.txt", "requirements-dev.txt", "constraints.txt", "requirements.lock"]
)
def test_a_changed_requirement_installs_again_from_nothing(project: Project, changed: str) -> None:
    project.make("test")
    (project.folder / ".venv/leftover").touch()
    (project.folder / changed).write_text("some-package==2\n", "utf-8")
    project.make("test")
    assert project.installations() == 2
    assert not (project.folder / ".venv/leftover").exists()


def test_a_checkout_that_only_touches_the_requirements_installs_nothing(project: Project) -> None:
    project.make("test")
    (project.folder / "requirements.txt").touch()
    project.make("test")
    assert project.installations() == 1


def test_an_interrupted_installation_is_not_taken_for_a_finished_one(project: Project) -> None:
    assert project.make("test", UV_EXIT="1").returncode != 0
    assert (project.folder / ".venv/bin/python").exists()
    assert project.make("test").returncode == 0
    assert project.installations() == 2


def test_a_moved_project_gets_a_new_environment_since_its_scripts_name_the_old_folder(project: Project) -> None:
    project.make("test")
    project.folder = project.folder.rename(project.folder.parent / "elsewhere")
    project.make("test")
    assert project.installations() == 2


def test_a_python_that_is_too_old_is_named_with_what_to_do(project: Project) -> None:
    failed = project.make("test", TOO_OLD="1")
    assert failed.returncode != 0
    assert "Python 3.10.9, Python 3.11.5 or newer is needed: make PYTHON=python3.11" in failed.stderr
    assert not (project.folder / ".venv").exists()


def test_a_missing_python_is_named_with_what_to_do(project: Project) -> None:
    failed = project.make("test", python="python3-that-is-not-here")
    assert failed.returncode != 0
    assert "python3-that-is-not-here was not found: install Python 3.11.5 or newer" in failed.stderr


def test_the_adapter_reaches_the_demo(project: Project) -> None:
    project.make("demo")
    assert project.asked()[-1] == "-m include.demo.run --adapter finished"
    project.make("demo", "ADAPTER=early")
    assert project.asked()[-1] == "-m include.demo.run --adapter early"


def test_a_fine_tune_of_the_demo_takes_lora_unless_qlora_is_asked_for(project: Project) -> None:
    project.make("demo-fine-tune")
    assert project.asked()[-1].split() == ["-m", "include.demo.run", "--fine-tune"]
    project.make("demo-fine-tune", "QLORA=1")
    assert project.asked()[-1].split() == ["-m", "include.demo.run", "--fine-tune", "--qlora"]


def test_down_without_an_environment_installs_nothing(project: Project) -> None:
    stopped = project.make("down")
    assert (stopped.returncode, stopped.stdout) == (0, "Nothing to stop: there is no .venv.\n")
    assert project.asked() == []


def test_down_stops_the_demo_even_when_the_requirements_changed_meanwhile(project: Project) -> None:
    project.make("demo")
    (project.folder / "requirements.txt").write_text("some-package==2\n", "utf-8")
    project.make("down")
    assert project.asked()[-1] == "-m include.demo.run --down"
    assert project.installations() == 1
