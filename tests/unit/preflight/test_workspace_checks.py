from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from include.config.account import AccountConfig
from include.preflight.workspace_checks import RESERVE, check_workspace
from include.run.inputs import RunInputs
from include.run.workspace import Workspace
from include.sources.fingerprint import SourceFile
from include.sources.source import Source

GB = 10**9
ACCOUNT = AccountConfig()


BASE = Source("/models/base", (SourceFile("model.safetensors", 40 * GB, 0),), in_place=True)
RAW_BASE = Source("/models/raw", (*BASE.files, SourceFile("params.json", 100, 0)), in_place=True)


@pytest.fixture
def adapter(tmp_path: Path) -> Source:
    """A LoRA of a few kilobytes that changes 32 weights of 8192 x 8192, 4.3 GB together."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    tensors = {}
    for layer in range(32):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.zeros(1, 8192, dtype=torch.float16)
        tensors[f"{name}.lora_B.weight"] = torch.zeros(8192, 1, dtype=torch.float16)
    save_file(tensors, folder / "adapter_model.safetensors")
    return Source(str(folder), (SourceFile("adapter_model.safetensors", 1, 0),), in_place=True)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the file system of the workspace says is free; a test sets it."""
    room = [0]
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=room[0]))
    return room


@pytest.mark.parametrize(("gigabytes", "found"), [(4.2, ["error"]), (4.5, [])])
def test_a_merge_needs_room_for_the_weights_it_changes_not_for_the_model(
    tmp_path: Path, adapter: Source, free: list[int], gigabytes: float, found: list[str]
) -> None:
    free[0] = int(gigabytes * GB)
    findings = list(check_workspace(Workspace(str(tmp_path / "workspace")), ACCOUNT, RunInputs(BASE, adapter, "keep")))
    assert [finding.severity for finding in findings] == found
    assert all("write about 4.29 GB" in finding.found for finding in findings)


@pytest.mark.parametrize(("gigabytes", "found"), [(30, ["warning"]), (45, [])])
def test_a_conversion_may_need_as_much_as_the_base(
    tmp_path: Path, adapter: Source, free: list[int], gigabytes: int, found: list[str]
) -> None:
    free[0] = gigabytes * GB
    findings = list(
        check_workspace(Workspace(str(tmp_path / "workspace")), ACCOUNT, RunInputs(RAW_BASE, adapter, "keep"))
    )
    assert [finding.severity for finding in findings] == found


def test_an_import_as_it_is_needs_next_to_nothing(tmp_path: Path, free: list[int]) -> None:
    free[0] = RESERVE
    assert list(check_workspace(Workspace(str(tmp_path / "workspace")), ACCOUNT, RunInputs(BASE, None, "keep"))) == []
    free[0] = RESERVE - 1
    [finding] = check_workspace(Workspace(str(tmp_path / "workspace")), ACCOUNT, RunInputs(BASE, None, "keep"))
    assert finding.severity == "error"


def test_the_workspace_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    workspace = tmp_path / "a" / "b"
    assert list(check_workspace(Workspace(str(workspace)), ACCOUNT, RunInputs(BASE, None, "keep"))) == []
    assert list(workspace.iterdir()) == []


def test_an_archive_needs_room_to_be_unpacked(tmp_path: Path, free: list[int]) -> None:
    archive = Source("s3://bucket/model.tar.gz", (SourceFile("model.tar.gz", 10 * GB, 0),), in_place=False)
    free[0] = 9 * GB
    [finding] = check_workspace(Workspace(str(tmp_path / "workspace")), ACCOUNT, RunInputs(archive, None, "keep"))
    assert finding.severity == "error"
