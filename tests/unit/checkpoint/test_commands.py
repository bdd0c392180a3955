"""The command line: what it prints and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from include.checkpoint.__main__ import main
from tests.support.raw_mistral import save_raw
from tests.support.tiny_models import equal_bits, load_weights, make_model, make_tokenizer, merged_by_peft


def test_merge_writes_a_folder_that_is_pefts_merge(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"

    assert main(["merge", "--base", str(base_dir), "--adapter", str(adapter_dir), "--out", str(out), "--json"]) == 0

    assert equal_bits(load_weights(out), merged_by_peft(base_dir, adapter_dir, tmp_path / "theirs"))
    said = json.loads(capsys.readouterr().out)
    assert said["proof"]["changed_tensors"] == 4
    assert said["validation"]["errors"] == []
    logits = said["proof"]["logits"]
    assert (logits["sequences"], logits["skipped"]) == (4, "")
    assert 0 < logits["difference"] < logits["rounding"] < logits["adapter_effect"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merged", "theirs"]


@pytest.mark.parametrize("count", ["-1", "many", "1001"])
def test_a_number_of_sequences_that_is_none_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["merge", "--base", "b", "--adapter", "a", "--out", "o", "--check", count])
    assert "expected a number from 0 to 1000" in capsys.readouterr().err


def test_convert_writes_a_folder(tmp_path: Path) -> None:
    save_raw(make_model(), tmp_path / "raw")
    make_tokenizer().save_pretrained(tmp_path / "raw")

    assert main(["convert", "--source", str(tmp_path / "raw"), "--out", str(tmp_path / "hf")]) == 0
    assert main(["validate", str(tmp_path / "hf")]) == 0


def test_a_folder_that_is_there_is_refused_before_anything_is_computed(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    out.mkdir()
    (tmp_path / "merged.work").mkdir()

    assert main(["merge", "--base", str(base_dir), "--adapter", str(adapter_dir), "--out", str(out)]) == 2

    assert "OutputExistsError" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [out]


def test_inspect_names_the_layouts_and_what_is_left(
    own_base: Path, adapter_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_raw(make_model(), own_base)
    (own_base / "optimizer.pt").write_bytes(b"x")
    (own_base / "checkpoint-10").mkdir()
    (own_base / "checkpoint-10" / "model.safetensors").write_bytes(b"x")

    assert main(["inspect", str(own_base), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["layouts"]) == ("hf", ["hf", "raw_mistral"])
    assert report["left"]["optimizer.pt"] == "optimizer state"
    assert report["left"]["consolidated.safetensors"] == "Mistral's own layout"
    assert report["left"]["checkpoint-10/model.safetensors"] == "an intermediate checkpoint"
    assert report["parameters"] == sum(parameter.numel() for parameter in make_model().parameters())

    assert main(["inspect", str(adapter_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "adapter"


def test_defects_exit_with_1_and_an_unusable_input_with_2(
    own_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_base / "tokenizer.json").unlink()

    assert main(["validate", str(own_base)]) == 1
    assert "TokenizerMissingError" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "nowhere")]) == 2
    assert main(["convert", "--source", str(own_base), "--out", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize("traceback", [False, True])
def test_a_failure_that_is_not_foreseen_has_its_own_exit_code_and_no_traceback(
    traceback: bool, base_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("division by zero\nmore")

    monkeypatch.setattr("include.checkpoint.commands.inspect", broken)

    assert main(["inspect", str(base_dir), "--json", *(["--traceback"] if traceback else [])]) == 3

    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["error"] == "CommandFailedError"
    assert "inspect\nFound: ZeroDivisionError: division by zero at commands.py, line" in said["message"]
    assert ("Traceback" in printed.err) is traceback


def test_an_output_folder_that_exists_is_not_touched(base_dir: Path, adapter_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()

    assert main(["merge", "--base", str(base_dir), "--adapter", str(adapter_dir), "--out", str(out)]) == 2
    assert list(out.iterdir()) == []


def test_commands_that_compute_nothing_start_without_torch() -> None:
    code = "import sys, include.checkpoint.__main__; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_validating_an_adapter_says_that_it_has_to_be_merged_first(
    adapter_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(adapter_dir)]) == 2
    said = capsys.readouterr().out
    assert "LayoutMismatchError: This command does not take such a folder" in said
    assert "python -m include.checkpoint merge" in said


def test_a_file_is_not_called_a_missing_folder(base_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(base_dir / "config.json")]) == 2
    assert "Found: a file, not a folder" in capsys.readouterr().out


def test_one_error_is_counted_as_one(own_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_base / "tokenizer.json").unlink()
    main(["validate", str(own_base)])
    assert "1 error, " in capsys.readouterr().out
