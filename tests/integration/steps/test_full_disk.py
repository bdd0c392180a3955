"""A disk that is really full: a small tmpfs as cache, as workspace, and under the command line's folder."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from include.checkpoint.__main__ import main
from include.checkpoint.errors import DiskFilledError, DiskFullError
from include.sources.cache import SourceCache
from include.sources.location import parse_location
from include.sources.source import describe_source, fetch_source
from include.steps.prepare import merge, prepare_base
from tests.support.cloud_sources import BUCKET, DEMO, Cloud, plan_in

ROOM = 1_000_000


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def fills_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check beforehand sees a large disk, as when somebody else fills it afterwards."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: DiskUsage(10**12, 0, 10**12))


def files_in(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_cache_on_a_full_disk_is_named_and_left_empty(cloud: Cloud, small_disk: Path) -> None:
    key = "sources/large"
    cloud.s3.put_object(Bucket=BUCKET, Key=f"{key}/consolidated.00.pth", Body=os.urandom(4 * ROOM))
    cloud.s3.put_object(Bucket=BUCKET, Key=f"{key}/params.json", Body=b"{}")
    source = describe_source(parse_location(f"s3://{BUCKET}/{key}"), s3=cloud.s3)
    with pytest.raises(DiskFilledError, match=str(small_disk)):
        fetch_source(source, SourceCache(small_disk / "cache", 10**9), s3=cloud.s3)
    assert files_in(small_disk) == []


@pytest.mark.usefixtures("fills_under_way")
def test_a_workspace_on_a_full_disk_is_named_and_holds_no_half_overlay(
    cloud: Cloud, small_disk: Path, tmp_path: Path
) -> None:
    plan = plan_in(cloud, tmp_path, str(DEMO / "base"), str(DEMO / "adapters" / "finished"))
    prepare_base(plan, cloud.s3, cloud.sagemaker)
    run = Path(plan.workspace)
    for path in run.iterdir():
        (small_disk / path.name).write_bytes(path.read_bytes())
    (small_disk / "filler").write_bytes(bytes(ROOM - 200_000))
    full = plan.model_copy(update={"workspace": str(small_disk)})
    with pytest.raises((DiskFilledError, DiskFullError), match=str(small_disk)):
        merge(full, cloud.s3, cloud.sagemaker)
    assert not [name for name in files_in(small_disk) if "merge" in name]
    (small_disk / "filler").unlink()


@pytest.mark.usefixtures("fills_under_way")
@pytest.mark.parametrize("room", [500_000, ROOM])
def test_a_folder_on_a_full_disk_is_named_and_leaves_nothing(
    small_disk: Path, room: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "filler").write_bytes(bytes(ROOM - room))
    base, adapter = str(DEMO / "base"), str(DEMO / "adapters" / "finished")
    assert main(["merge", "--base", base, "--adapter", adapter, "--out", str(small_disk / "out")]) == 2
    assert re.match("Disk(Filled|Full)Error: .*small", capsys.readouterr().out)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
