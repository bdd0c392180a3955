from __future__ import annotations

from pathlib import Path

import pytest

from include.run.workspace import WorkspaceOutsideRootError, clear_run_workspace, run_workspace

DAG = "import_capitals"


def made(root: Path, run_id: str) -> Path:
    folder = Path(run_workspace(str(root), DAG, run_id))
    folder.mkdir(parents=True)
    (folder / "merged.json").write_text("{}")
    return folder


@pytest.mark.parametrize(("one", "other"), [("rel:1", "rel_1"), ("Rel", "rel"), ("a" * 250, "a" * 249), ("é", "è")])
def test_no_two_runs_share_a_folder(tmp_path: Path, one: str, other: str) -> None:
    folders = {run_workspace(str(tmp_path), DAG, run_id).lower() for run_id in (one, other)}
    assert len(folders) == 2


@pytest.mark.parametrize("run_id", ["..", ".", "../../etc", "a/b", "a" * 250, "manual__2026-11-28T00:00:00+00:00"])
def test_a_runs_folder_is_directly_in_its_dags_folder(tmp_path: Path, run_id: str) -> None:
    folder = made(tmp_path, run_id)
    assert folder.resolve().parent == tmp_path.resolve() / DAG
    clear_run_workspace(str(tmp_path), DAG, run_id)
    assert list(tmp_path.iterdir()) == []


def test_clearing_leaves_the_folders_of_other_runs(tmp_path: Path) -> None:
    made(tmp_path, "one")
    other = made(tmp_path, "other")
    clear_run_workspace(str(tmp_path), DAG, "one")
    assert list((tmp_path / DAG).iterdir()) == [other]
    clear_run_workspace(str(tmp_path), DAG, "one")
    clear_run_workspace(str(tmp_path), DAG, "other")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["", "run"])
def test_nothing_behind_a_link_out_of_the_workspace_is_removed(tmp_path: Path, link: str) -> None:
    root, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere"
    victim = made(elsewhere, "run") / "merged.json"
    folder = Path(run_workspace(str(root), DAG, "run"))
    at = folder if link else folder.parent
    at.parent.mkdir(parents=True)
    at.symlink_to(victim.parent if link else victim.parent.parent)
    with pytest.raises(WorkspaceOutsideRootError):
        clear_run_workspace(str(root), DAG, "run")
    assert victim.exists()
