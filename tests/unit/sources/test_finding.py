from __future__ import annotations

import pytest

from include.sources.errors import SourceAmbiguousError, SourceEmptyError
from include.sources.finding import find_checkpoint

HF = ("config.json", "model.safetensors", "tokenizer.json")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


def under(folder: str, names: tuple[str, ...] = HF) -> list[str]:
    return [f"{folder}/{name}" for name in names]


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (HF, ""),
        (("params.json", "consolidated.00.pth", "tokenizer.model"), ""),
        (ADAPTER, ""),
        ([*HF, *under("checkpoint-10")], ""),
        ([*under("checkpoints/hf_merged"), *under("checkpoints/hf", ADAPTER)], "checkpoints/hf_merged"),
        ([*under("checkpoint-9"), *under("checkpoint-100")], "checkpoint-100"),
        ([*under("out/checkpoint-9"), *under("out/best")], "out/best"),
        ([*under("a/b/c"), *under(".cache/x"), "a/README.md"], "a/b/c"),
    ],
)
def test_the_checkpoint_is_found_where_trainers_put_it(paths: list[str], folder: str) -> None:
    assert find_checkpoint("s3://b/p", paths).folder == folder


@pytest.mark.parametrize("below", ["merged", "final_merged_checkpoint"])
def test_of_a_model_and_an_adapter_the_one_that_fits_the_role_is_taken(below: str) -> None:
    paths = [*ADAPTER, *under(below)]
    assert find_checkpoint("s3://b/p", paths, "base").folder == below
    assert find_checkpoint("s3://b/p", paths, "adapter").folder == ""
    assert find_checkpoint("s3://b/p", ADAPTER, "base").folder == ""  # preflight says that it is an adapter


def test_what_was_taken_and_what_was_left_is_said() -> None:
    found = find_checkpoint(
        "s3://b/p", [*under("checkpoint-9"), "checkpoint-9/optimizer.pt", *under("checkpoint-8"), "a.log"]
    )
    assert found.names == HF
    assert (
        found.note()
        == "Took 3 files from checkpoint-9; left the top folder's files, checkpoint-8/, checkpoint-9/optimizer.pt"
    )


@pytest.mark.parametrize("paths", [[], ["config.json"], ["model.safetensors"], ["1 other files"]])
def test_a_source_without_a_checkpoint_is_named_with_what_it_holds(paths: list[str]) -> None:
    with pytest.raises(SourceEmptyError, match=f"(?s)s3://b/p\n.*Found: {paths[0] if paths else 'nothing'}"):
        find_checkpoint("s3://b/p", paths)


@pytest.mark.parametrize("second", ["b", "runs/2/checkpoint-7"])
def test_of_several_checkpoints_none_is_guessed(second: str) -> None:
    first = "a" if second == "b" else "runs/1/checkpoint-7"
    with pytest.raises(SourceAmbiguousError, match=f"{first}, {second}"):
        find_checkpoint("s3://b/p", [*under(first), *under(second)])
