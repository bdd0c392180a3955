"""What ``make mwaa`` writes; tests/dags/test_layouts.py loads DAGs and page from it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.constraints import INSTEAD
from deploy.mwaa import MWAA_DAGS, PINNED_BY_MWAA, build

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mwaa")
    build(folder)
    return folder


def names(lines: list[str]) -> set[str]:
    texts = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return {canonicalize_name(Requirement(text).name) for text in texts if text and not text.startswith("--")}


def test_the_requirements_begin_with_the_constraints_at_their_place_on_mwaa(built: Path) -> None:
    first = (built / "requirements.txt").read_text("utf-8").splitlines()[0]
    assert first == f'--constraint "{MWAA_DAGS}/constraints.txt"'
    assert (built / "dags" / "constraints.txt").is_file()


def test_what_mwaa_pins_itself_is_neither_required_nor_constrained_and_nothing_else_is_left_out(built: Path) -> None:
    required = names((built / "requirements.txt").read_text("utf-8").splitlines())
    ours = names((ROOT / "requirements.txt").read_text("utf-8").splitlines())
    assert ours - required == {"apache-airflow", "sqlalchemy"}
    constrained = names((built / "dags" / "constraints.txt").read_text("utf-8").splitlines())
    assert {name for name in constrained | required if PINNED_BY_MWAA.fullmatch(name)} == set()
    assert required <= constrained


def test_an_index_for_torch_is_named_only_where_one_is_given(built: Path, tmp_path: Path) -> None:
    assert "index-url" not in (built / "requirements.txt").read_text("utf-8")
    build(tmp_path, extra_index_url="https://index.example/cpu")
    assert "--extra-index-url https://index.example/cpu\n" in (tmp_path / "requirements.txt").read_text("utf-8")


@pytest.mark.parametrize("version", INSTEAD)
def test_the_constraints_are_those_of_the_environments_airflow(version: str, tmp_path: Path) -> None:
    build(tmp_path, version)
    lines = (tmp_path / "dags" / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for name, pin in INSTEAD[version].items() if not PINNED_BY_MWAA.fullmatch(name)
            for line in [f"{name}=={pin}"] if line not in lines] == []  # fmt: skip


def test_the_plugins_are_at_the_top_of_the_zip_and_a_second_build_is_the_same_bytes(
    built: Path, tmp_path: Path
) -> None:
    with ZipFile(built / "plugins.zip") as archive:
        assert {".airflowignore", "airflow_versions.py", "bedrock_import/hooks.py"} <= set(archive.namelist())
        assert [name for name in archive.namelist() if "__pycache__" in name] == []
    build(tmp_path)
    assert (tmp_path / "plugins.zip").read_bytes() == (built / "plugins.zip").read_bytes()


def test_neither_the_stand_in_for_aws_nor_compiled_files_are_uploaded(built: Path) -> None:
    paths = [path.relative_to(built).as_posix() for path in built.rglob("*")]
    assert [path for path in paths if "local_aws" in path or "__pycache__" in path] == []
    assert "dags/include/demo/base/config.json" in paths  # the example of dags/models/ names it


def test_the_startup_script_exports_what_the_compose_file_sets(built: Path) -> None:
    shell = f". {built / 'startup.sh'} && echo $HF_HUB_OFFLINE $OMP_NUM_THREADS"
    assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout == "1 1\n"
