from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from deploy.constraints import INSTEAD, UntriedAirflowError, constraints

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
OWN = {
    "include", "airflow_versions", "artifact_events", "aws_waits", "bedrock_import", "model_import_dag",
    "model_imports_page", "sagemaker_training", "benchmarks", "deploy",
}  # fmt: skip


#: They have a range; constraints.txt and ``python -m deploy.constraints`` say which of it.
DIFFERENT_IN_OLDER_AIRFLOWS = {"apache-airflow", "fastapi"}


def requirements(name: str) -> list[Requirement]:
    """Return a requirements file's lines and those of the files that it includes."""
    found = []
    for line in (ROOT / name).read_text("utf-8").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if included := re.fullmatch(r"-r (\S+)", text):
            found += requirements(included[1])
        elif text:
            found.append(Requirement(text))
    return found


def pins(name: str) -> dict[str, str]:
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in requirements(name)}


def distributions_imported_by(*folders: str, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return each distribution that these folders import, with one file that does."""
    by_module = packages_distributions()
    found = {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        name = str(path.relative_to(ROOT))
        if name.startswith(without):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in {module.partition(".")[0] for module in modules} - OWN - set(sys.stdlib_module_names):
                found |= {canonicalize_name(distribution): name for distribution in by_module.get(module, ())[:1]}
    return found


def test_the_lock_file_has_a_hash_for_every_pinned_package_but_torch() -> None:
    blocks = re.findall(
        r"^([a-z0-9._-]+)(==\S+)[^\n]*\n((?: {4}--hash=sha256:[0-9a-f]{64}[^\n]*\n)*)", LOCK, re.MULTILINE
    )
    assert [name for name, _, hashes in blocks if not hashes] == []
    constraints = pins("constraints.txt")
    locked = {canonicalize_name(name): pin for name, pin, _ in blocks}
    assert {name: pin for name, pin in constraints.items() if locked.get(name) != pin} == {
        "torch": constraints["torch"]
    }


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-compose.txt", "requirements-dev.txt"])
def test_every_direct_requirement_has_one_exact_version_and_the_constraints_agree(name: str) -> None:
    constraints = pins("constraints.txt")
    exact = {key: pin for key, pin in pins(name).items() if key not in DIFFERENT_IN_OLDER_AIRFLOWS}
    assert {key: pin for key, pin in exact.items() if constraints.get(key) != pin or not pin.startswith("==")} == {}


@pytest.mark.parametrize("version", INSTEAD)
def test_the_constraints_of_every_supported_airflow_fit_what_production_requires(version: str) -> None:
    lines = constraints(version).splitlines()[1:]
    pinned = {canonicalize_name(name): pin for name, pin in (line.split("==") for line in lines)}
    assert pinned["apache-airflow"] == version
    assert [
        each.name
        for each in requirements("requirements.txt")
        if pinned[canonicalize_name(each.name)] not in each.specifier
    ] == []


def test_the_current_constraints_are_those_of_the_newest_supported_airflow() -> None:
    newest = max(INSTEAD, key=Version)
    assert dict(line.split("==") for line in constraints(newest).splitlines()[1:]) == {
        line.split("==")[0]: line.split("==")[1]
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    }
    [airflow] = [each for each in requirements("requirements.txt") if each.name == "apache-airflow"]
    assert str(airflow.specifier) == f"<3.4,>={min(INSTEAD, key=Version)}"


def test_constraints_of_an_airflow_that_was_not_tried_are_refused_with_those_that_were() -> None:
    with pytest.raises(UntriedAirflowError, match=r"3\.0\.6.*expected one of 3\.1\.8"):
        constraints("3.0.6")


def test_the_constraints_pin_nothing_that_only_a_gpu_needs() -> None:
    gpu = re.compile(r"nvidia|cuda|triton|cudnn|nccl")
    assert [name for name in pins("constraints.txt") if gpu.search(name)] == []
    assert pins("constraints.txt")["torch"] == "==2.13.0"  # no local version: it fits the CPU and the CUDA build


def test_what_production_imports_is_in_its_requirements() -> None:
    imported = distributions_imported_by("include", "plugins", "dags", without=("include/demo/", "include/local_aws/"))
    # airflow.* comes from several distributions; the two we ask for bring the others.
    missing = {key: path for key, path in imported.items() if key not in pins("requirements.txt")}
    assert {key: path for key, path in missing.items() if not key.startswith("apache-airflow")} == {}


def test_what_the_demo_the_stand_in_and_the_tests_import_is_in_the_development_requirements() -> None:
    imported = distributions_imported_by("include", "plugins", "dags", "tests")
    missing = {key: path for key, path in imported.items() if key not in pins("requirements-dev.txt")}
    assert {key: path for key, path in missing.items() if not key.startswith("apache-airflow")} == {}
