"""Which folders of a worker a model's file or a run may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.config.account import AccountConfig
from include.config.evaluation import EvaluationConfig
from include.run.evaluation_set import read_evaluation_set
from include.run.inputs import locate
from include.run.local_paths import LocalPathOutsideError
from include.run.workspace import PROJECT_ROOT
from include.sources.location import FolderLocation, S3Location

ACCOUNT = AccountConfig(workspace="/srv/workspace")


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("include/demo/base", PROJECT_ROOT / "include/demo/base"),
        (str(PROJECT_ROOT / "include"), PROJECT_ROOT / "include"),
        ("/srv/workspace/models/a", Path("/srv/workspace/models/a")),
    ],
)
def test_the_project_and_the_workspace_may_be_read(spec: str, path: Path) -> None:
    assert locate(spec, ACCOUNT) == FolderLocation(path)


@pytest.mark.parametrize("spec", ["/", "/root", "~", "../elsewhere", "include/../../elsewhere", "/srv/workspaces"])
def test_other_folders_may_not_and_nothing_of_them_is_said(spec: str) -> None:
    with pytest.raises(LocalPathOutsideError, match="model_import_local_folders"):
        locate(spec, ACCOUNT)


def test_a_link_out_of_the_project_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "etc").symlink_to("/etc")
    with pytest.raises(LocalPathOutsideError):
        locate(str(tmp_path / "inside" / "etc"), AccountConfig(workspace=str(tmp_path)))


def test_an_airflow_variable_adds_folders(tmp_path: Path) -> None:
    account = AccountConfig(local_folders=f"/data/models:{tmp_path}")
    assert locate("/data/models/a", account) == FolderLocation(Path("/data/models/a"))
    assert locate(str(tmp_path), account) == FolderLocation(tmp_path)


def test_what_is_in_s3_is_no_matter_of_folders() -> None:
    assert locate("s3://bucket/key", ACCOUNT) == S3Location("bucket", "key")


def test_a_data_set_elsewhere_may_not_be_read(tmp_path: Path) -> None:
    salaries = tmp_path / "salaries.csv"
    salaries.write_text("question,answer\nJane,100000\n")
    with pytest.raises(LocalPathOutsideError) as refused:
        read_evaluation_set(str(salaries), EvaluationConfig(dataset=str(salaries)), ACCOUNT, None)
    assert "Jane" not in str(refused.value)
