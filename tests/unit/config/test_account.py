from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from include.config.account import AccountConfig


@pytest.mark.parametrize("workspace", ["workspace", "/shared/workspace", "s3://models/working", "s3://models/a/b-c_d/"])
def test_a_workspace_is_a_folder_or_a_prefix_in_s3(workspace: str) -> None:
    assert AccountConfig(workspace=workspace).workspace == workspace


@pytest.mark.parametrize("workspace", ["s3://", "s3://models", "s3://models/", "s3://My_Models/a", "s3://models/a b"])
def test_an_s3_workspace_needs_a_bucket_and_a_prefix(workspace: str) -> None:
    with pytest.raises(ValidationError, match="s3://bucket/prefix"):
        AccountConfig(workspace=workspace)


def test_beside_a_workspace_in_s3_a_worker_computes_in_a_folder_beside_airflows_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert AccountConfig(workspace="s3://models/a").local_workspace == str(tmp_path / "model-import-workspace")
    assert AccountConfig(workspace="/shared").local_workspace == "/shared"
