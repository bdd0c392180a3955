from __future__ import annotations

from pathlib import Path

import pytest

from include.config.errors import BrokenModelFilesError, ModelFileInvalidError
from include.config.files import read_model_file, read_model_files
from include.config.model import ModelConfig
from include.retention.policies import read_policies

GOOD = "model_name: {}\nbase: base\nevaluation: {{dataset: eval.jsonl}}\n"


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def problems(folder: Path) -> str:
    return "\n".join(map(str, read_model_files(folder).errors))


@pytest.mark.parametrize("name", ["._a.yaml", ".#a.yaml", ".a.yaml.swp", "..data/a.yaml", ".git/a.yaml", "a.yaml~"])
def test_hidden_files_of_editors_and_archives_are_passed_over(tmp_path: Path, name: str) -> None:
    write(tmp_path, a=GOOD.format("a"))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    files = read_model_files(tmp_path)
    assert (set(files.configs), files.errors) == ({"a"}, ())


def test_an_editors_lock_which_is_a_link_to_nowhere_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".#a.yaml").symlink_to("user@host.1234:1")
    assert read_model_files(tmp_path) == ({}, (), frozenset())


def test_a_folder_per_team_may_hold_models_and_an_error_names_the_file_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    write(tmp_path / "team", a=GOOD.format("a"), b=GOOD.format("B"))
    assert set(read_model_files(tmp_path).configs) == {"a"}
    assert "team/b.yaml" in problems(tmp_path)


@pytest.mark.parametrize("suffix", ["yaml", "yml", "YAML"])
def test_a_models_file_ends_in_yaml(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_text(GOOD.format("a"))
    assert set(read_model_files(tmp_path).configs) == {"a"}


@pytest.mark.parametrize("twice", ["promotion: never\npromotion: auto\n", "retention: {keep: 1, keep: 5}\n"])
def test_a_key_that_is_there_twice_is_refused_with_its_line(tmp_path: Path, twice: str) -> None:
    with pytest.raises(ModelFileInvalidError, match=r"is there twice.*line [0-9]+"):
        read_model_file(write(tmp_path, a=GOOD.format("a") + twice) / "a.yaml")


def test_keys_that_are_merged_from_an_anchor_may_be_overridden(tmp_path: Path) -> None:
    text = GOOD.format("a") + "retention: &r {keep: 5}\ncomparison: {margin: 0.1}\n"
    text = text.replace("evaluation:", "evaluation: &e").replace("comparison:", "# comparison:")
    assert read_model_file(write(tmp_path, a=text) / "a.yaml").retention.keep == 5
    merged = "model_name: a\nbase: b\nevaluation: {<<: &e {dataset: x, seed: 1}, seed: 2}\n"
    assert read_model_file(write(tmp_path, b=merged) / "b.yaml").evaluation.seed == 2


@pytest.mark.parametrize(
    "text", ["model_name: a\nbase: [\n", '{"model_name": "a"}', GOOD.format("a") + "promotoin: x\n"]
)
def test_a_broken_file_still_claims_the_name_that_it_states(tmp_path: Path, text: str) -> None:
    files = read_model_files(write(tmp_path, broken=text, good=GOOD.format("good")))
    assert set(files.configs) == {"good"}
    assert files.claimed == {"a", "good"}


@pytest.mark.parametrize("other", ["b", "team/a"])
def test_of_two_files_with_the_same_name_neither_is_taken_and_both_are_named(tmp_path: Path, other: str) -> None:
    (tmp_path / "team").mkdir()
    write(tmp_path, a=GOOD.format("a"), c=GOOD.format("c"), **{other: GOOD.format("a")})
    files = read_model_files(tmp_path)
    assert (set(files.configs), files.claimed) == ({"c"}, {"a", "c"})
    assert f"a.yaml and {other}.yaml" in problems(tmp_path)
    with pytest.raises(BrokenModelFilesError, match=r"a\.yaml"):
        read_policies(tmp_path)


def test_a_further_check_names_the_file(tmp_path: Path) -> None:
    def check(config: ModelConfig) -> str | None:
        return "base: too far away" if config.model_name == "b" else None

    files = read_model_files(write(tmp_path, one=GOOD.format("a"), two=GOOD.format("b")), check)
    assert set(files.configs) == {"a"}
    assert "two.yaml\nFound: base: too far away" in str(files.errors[0])
