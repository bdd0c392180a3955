from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from include.training.container import bootstrap

ROOT = Path(__file__).parents[4]


def pins(path: Path) -> dict[str, str]:
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in path.read_text("utf-8").splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {requirement.name: str(requirement.specifier) for requirement in found}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-qlora.txt"])
def test_a_job_installs_the_versions_that_the_project_is_tested_with(name: str) -> None:
    constraints = pins(ROOT / "constraints.txt")
    wanted = pins(bootstrap.HERE / name)
    assert all(pin.startswith("==") for pin in wanted.values())
    known = wanted.keys() & constraints.keys()
    assert {package: wanted[package] for package in known} == {package: constraints[package] for package in known}
    assert "torch" not in wanted  # it comes with the image, built for its GPUs
