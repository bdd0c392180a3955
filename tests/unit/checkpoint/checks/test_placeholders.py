"""A pointer or a web page in place of a file is called what it is, by every command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.checkpoint.__main__ import main
from tests.support.tiny_models import make_model, save_model

SHARD = "model.safetensors"


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A sound model in one file."""
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


@pytest.mark.parametrize("name", [SHARD, "config.json", "tokenizer.json", "generation_config.json"])
def test_a_git_lfs_pointer_is_named(name: str, single: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (single / name).write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 4943\n")

    assert main(["validate", str(single)]) == 1
    assert f"GitLfsPointerError: The file is a git-lfs pointer: its content was not downloaded: {name}" in (
        capsys.readouterr().out
    )
    main(["inspect", str(single)])
    assert ("git-lfs" in capsys.readouterr().out) == (name != "tokenizer.json")


@pytest.mark.parametrize("name", [SHARD, "config.json"])
def test_a_web_page_in_place_of_a_file_is_named(name: str, single: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (single / name).write_text("\n<!DOCTYPE html><html><title>Log in</title></html>" + " " * 100)

    assert main(["validate", str(single)]) == 1
    assert "HtmlPageError: The file is a web page" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "<html></html>"])
def test_a_placeholder_for_a_pickle_is_named_by_every_command(
    content: str, adapter_dir: Path, single: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = Path(shutil.copytree(adapter_dir, tmp_path / "adapter"))
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_text(content)

    assert main(["inspect", str(adapter)]) == 0
    merge = ["merge", "--base", str(single), "--adapter", str(adapter), "--out", str(tmp_path / "out")]
    assert main(merge) == 2
    said = capsys.readouterr().out
    assert said.count("its content was not downloaded" if "git" in content else "The file is a web page") == 2
