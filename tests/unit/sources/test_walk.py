"""Folders of a worker as sources: only what is inside of them, and only so much."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.sources import walk
from include.sources.errors import SourceEmptyError, SourceLinkError, SourceTooManyFilesError
from include.sources.location import FolderLocation
from include.sources.source import describe_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "model"
    found.mkdir()
    (found / "config.json").write_text("{}")
    (found / "model.safetensors").write_bytes(b"weights")
    return found


def names(folder: Path) -> list[str]:
    return [file.name for file in describe_source(FolderLocation(folder)).files]


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_to_a_file_elsewhere_is_refused_and_its_target_is_not_named(folder: Path, relative: bool) -> None:
    secret = folder.parent / "credentials"
    secret.write_text("[default]")
    (folder / "chat_template.jinja").symlink_to("../credentials" if relative else secret)
    with pytest.raises(SourceLinkError, match=r"chat_template\.jinja") as refused:
        names(folder)
    assert "credentials" not in str(refused.value)


def test_a_link_to_a_link_that_leaves_is_refused(folder: Path) -> None:
    (folder.parent / "credentials").write_text("[default]")
    (folder / "inner").symlink_to("../credentials")
    (folder / "tokenizer.json").symlink_to("inner")
    with pytest.raises(SourceLinkError):
        names(folder)


def test_a_link_to_another_file_of_the_folder_is_a_file(folder: Path) -> None:
    (folder / "blobs").mkdir()
    (folder / "blobs" / "1").write_text("{}")
    (folder / "tokenizer.json").symlink_to("blobs/1")
    assert names(folder) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "round").symlink_to(folder)
    (folder / "root").symlink_to("/")
    assert names(folder) == ["config.json", "model.safetensors"]


def test_a_folder_of_far_more_files_than_a_model_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_ENTRIES", 2)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(SourceTooManyFilesError):
        names(folder)


def test_folders_are_looked_into_only_so_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"abcdefghijkl")
    deep.mkdir(parents=True)
    (deep / "config.json").write_text("{}")
    (deep / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(SourceEmptyError):
        names(tmp_path)


def test_a_folder_without_a_model_is_refused_without_naming_its_files(tmp_path: Path) -> None:
    (tmp_path / "salaries.csv").write_text("a")
    (tmp_path / "id_rsa").write_text("a")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SourceEmptyError, match=r"Found: config\.json, 2 other files") as refused:
        names(tmp_path)
    assert "salaries" not in str(refused.value)
    assert "id_rsa" not in str(refused.value)
