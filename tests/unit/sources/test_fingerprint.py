from __future__ import annotations

import os
from pathlib import Path

import pytest
from awscrt.checksums import crc64nvme

from include.sources.errors import SourceEmptyError, SourceFolderMissingError
from include.sources.fingerprint import SourceFile, describe_folder, fingerprint

BASE = (SourceFile("config.json", 2, 7), SourceFile("model.safetensors", 100, 8))
ADAPTER = (SourceFile("adapter_config.json", 2, 9),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    for name in ("model.safetensors", "config.json"):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    return folder


def test_a_folder_is_described_by_name_size_and_content(folder: Path) -> None:
    assert describe_folder(folder) == tuple(
        SourceFile(name, len(name), crc64nvme(name.encode())) for name in ("config.json", "model.safetensors")
    )


@pytest.mark.parametrize(
    "name",
    [
        ".gitattributes",
        "README.md",
        "optimizer.pt",
        "trainer_state.json",
        "checkpoint-10/model.safetensors",
        "train.py",
    ],
)
def test_what_a_trainer_leaves_is_not_part_of_a_checkpoint(folder: Path, name: str) -> None:
    before = describe_folder(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"more")
    assert describe_folder(folder) == before


def test_an_unchanged_folder_is_not_read_again(folder: Path, tmp_path: Path) -> None:
    before = describe_folder(folder, tmp_path / "cache")
    stat = (folder / "config.json").stat()
    (folder / "config.json").write_bytes(b"CONFIG_JSON")
    os.utime(folder / "config.json", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert describe_folder(folder, tmp_path / "cache") == before
    assert describe_folder(folder) != before


def test_a_changed_file_is_read_again(folder: Path, tmp_path: Path) -> None:
    before = describe_folder(folder, tmp_path / "cache")
    (folder / "config.json").write_bytes(b"CONFIG_JSON")
    after = describe_folder(folder, tmp_path / "cache")
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_a_broken_memory_costs_only_time(folder: Path, tmp_path: Path) -> None:
    before = describe_folder(folder, tmp_path / "cache")
    for path in (tmp_path / "cache").iterdir():
        path.write_text("{half")
    assert describe_folder(folder, tmp_path / "cache") == before


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceFolderMissingError, match="nowhere"):
        describe_folder(tmp_path / "nowhere")
    (tmp_path / "notes.md").write_text("nothing")
    with pytest.raises(SourceEmptyError, match="Found: 1 other files"):
        describe_folder(tmp_path)


def test_the_same_inputs_have_the_same_fingerprint_in_any_order() -> None:
    options = {"dtype": "bfloat16", "merge_version": "1"}
    digits = fingerprint(BASE, ADAPTER, options)
    assert digits == fingerprint(reversed(BASE), ADAPTER, dict(reversed(options.items())))
    assert len(digits) == 64
    assert set(digits) <= set("0123456789abcdef")


def test_each_input_counts() -> None:
    digits = {
        fingerprint(BASE, ADAPTER, {}),
        fingerprint(BASE, (), {}),
        fingerprint(ADAPTER, BASE, {}),
        fingerprint(BASE, ADAPTER, {"dtype": "bfloat16"}),
        fingerprint((BASE[0], BASE[1]._replace(crc64nvme=1)), ADAPTER, {}),
        fingerprint((BASE[0], BASE[1]._replace(name="other.safetensors")), ADAPTER, {}),
    }
    assert len(digits) == 6
