"""Where the project's folders may be: each layout is laid out as links or copies, and Airflow loads its DAGs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import pytest

from deploy.mwaa import build
from model_import_dag.model_files import MODELS_FOLDER
from tests.support.airflow_versions import DAG_BAG_MODULE, LOAD_PLUGINS

PROJECT = MODELS_FOLDER.parents[1]
IGNORED = shutil.ignore_patterns("__pycache__", ".venv", ".git", ".demo", "tests", "docs", "benchmarks", "local_aws")
#: As the DAG processor loads a bundle; then, as a running task does, import what no DAG file imports.
LOAD = f"""
import json, os, sys
from {DAG_BAG_MODULE} import BundleDagBag
root, swap = sys.argv[1:]
bag = BundleDagBag(root, bundle_path=root)
if swap:
    os.rename(swap + ".new", swap)  # git-sync's link leads to another worktree now
from include.run.workspace import MODELS_FOLDER, PROJECT_ROOT
from include.config.account import AccountConfig
import include.steps.deliver
print(json.dumps({{
    "dags": sorted(bag.dags), "errors": bag.import_errors, "models": sorted(os.listdir(MODELS_FOLDER)),
    "workspace": AccountConfig().workspace, "project": str(PROJECT_ROOT),
}}))
"""
#: As the API server loads the plugins; it reads no DAG file.
LOAD_PAGE = f"""
import json
from airflow import plugins_manager
{LOAD_PLUGINS}
print(json.dumps({{"errors": errors, "apps": [app["url_prefix"] for app in apps]}}))
"""
DAGS = {"import_model", "import_capitals", "retire_imported_models", "roll_back_model"}


class Layout(NamedTuple):
    """The bundle's root, the plugins folder, what is on PYTHONPATH, and a link that is swapped while a task runs."""

    root: Path
    plugins: Path | None
    path: tuple[Path, ...] = ()
    swapped: Path | None = None


def _copy(folder: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(PROJECT / name, folder / name, ignore=IGNORED)
    shutil.copy(PROJECT / ".airflowignore", folder / ".airflowignore")
    return folder


def _project_is_root(folder: Path) -> Layout:
    project = _copy(folder / "project", "dags", "include", "plugins")
    return Layout(project, project / "plugins")


def _dags_is_root(folder: Path) -> Layout:
    project = _copy(folder / "project", "dags", "include", "plugins")
    return Layout(project / "dags", project / "plugins")


def _dags_is_root_with_path(folder: Path) -> Layout:
    return _dags_is_root(folder)._replace(path=(folder / "project",))


def _git_sync(folder: Path) -> Layout:
    """Worktrees of two commits, the link that git-sync swaps, and nothing on PYTHONPATH."""
    first = _copy(folder / "worktrees" / "first", "dags", "include", "plugins")
    shutil.copytree(first, folder / "worktrees" / "second")
    (folder / "repo").symlink_to(first)
    (folder / "repo.new").symlink_to(folder / "worktrees" / "second")
    link = folder / "repo"
    return Layout(link / "dags", link / "plugins", swapped=link)


def _mwaa(folder: Path) -> Layout:
    """What ``make mwaa`` builds: the folder of DAGs is copied from S3, plugins.zip is unpacked beside it."""
    build(folder / "mwaa")
    airflow = folder / "usr" / "local" / "airflow"
    shutil.copytree(folder / "mwaa" / "dags", airflow / "dags")
    with ZipFile(folder / "mwaa" / "plugins.zip") as archive:
        archive.extractall(airflow / "plugins")
    shutil.rmtree(folder / "mwaa")
    return Layout(airflow / "dags", airflow / "plugins")


LAYOUTS: Mapping[str, Callable[[Path], Layout]] = {
    "the bundle's root is the project": _project_is_root,
    "the bundle's root is dags/": _dags_is_root,
    "the bundle's root is dags/, with PYTHONPATH": _dags_is_root_with_path,
    "git-sync": _git_sync,
    "MWAA": _mwaa,
}


def _load(layout: Layout, home: Path, program: str = LOAD) -> dict[str, Any]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHONPATH"))}
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(layout.root),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(layout.plugins),
        "PYTHONPATH": os.pathsep.join(map(str, layout.path)),
    }
    command = [sys.executable, "-c", program, str(layout.root), str(layout.swapped or "")]
    done = subprocess.run(command, cwd=home, env=kept | settings, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"')))
    return found


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.sampled(2)
def test_every_dag_is_loaded_and_the_workspace_is_beside_the_project(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    layout = LAYOUTS[name](tmp_path)
    loaded = _load(layout, home)
    assert loaded["errors"] == {}
    assert set(loaded["dags"]) >= DAGS
    assert loaded["models"] == ["capitals.yaml"]
    assert Path(loaded["project"]).is_relative_to(tmp_path)
    assert not Path(loaded["workspace"]).is_relative_to(loaded["project"])


@pytest.mark.parametrize("layout", [_mwaa, _dags_is_root])
def test_the_api_server_finds_the_page_although_only_airflows_own_folders_are_on_its_path(
    layout: Callable[[Path], Layout], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert _load(layout(tmp_path), home, LOAD_PAGE) == {"errors": {}, "apps": ["/model-imports"]}
