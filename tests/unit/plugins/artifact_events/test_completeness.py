from __future__ import annotations

import pytest

from artifact_events.completeness import is_archive, missing_files

ADAPTER = ["adapter_config.json", "adapter_model.safetensors"]
SHARDS = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "paths",
    [
        ["adapter_config.json", "adapter_model.safetensors"],
        ["config.json", "model.safetensors", "tokenizer.json"],
        ["config.json", "model.safetensors.index.json", *SHARDS],
        ["params.json", "consolidated.safetensors", "tokenizer.model.v3"],
        ["params.json", "consolidated.00.pth"],
        ["params.json", "lora.safetensors"],
        ["logs/a.txt", "final/adapter_config.json", "final/adapter_model.safetensors", "checkpoint-9/optimizer.pt"],
    ],
)
def test_weights_with_their_description_are_complete(paths: list[str]) -> None:
    assert missing_files(paths) == ()


def test_what_a_training_job_writes_beside_its_model_is_no_artifact() -> None:
    names = ("model.tar.gz", "output.tar.gz", "sourcedir.tar.gz", "my-output.tar.gz")
    assert [name for name in names if is_archive(f"job/output/{name}")] == ["model.tar.gz", "my-output.tar.gz"]
    assert missing_files(["output/output.tar.gz", "source/sourcedir.tar.gz"]) == ("weights",)


def test_the_checkpoints_of_a_running_training_are_no_artifact() -> None:
    running = [f"{folder}checkpoint-10/{name}" for folder in ("", "job/checkpoints/") for name in ADAPTER]
    assert missing_files(running) == ("weights",)
    assert missing_files([*running, "checkpoint-20/adapter_model.safetensors", *ADAPTER]) == ()


@pytest.mark.parametrize(
    ("paths", "missing"),
    [
        ([], ("weights",)),
        (["adapter_config.json"], ("weights",)),
        (["adapter_model.safetensors"], ("adapter_config.json",)),
        (["model.safetensors", "tokenizer.json"], ("config.json",)),
        (["config.json", *SHARDS[1:]], (SHARDS[0],)),
        (["config.json", SHARDS[0]], tuple(SHARDS[1:])),
        (
            ["a/adapter_config.json", "a/adapter_model.safetensors", "b/adapter_model.safetensors"],
            ("b/adapter_config.json",),
        ),
    ],
)
def test_what_an_upload_still_lacks_is_named(paths: list[str], missing: tuple[str, ...]) -> None:
    assert missing_files(paths) == missing


def test_every_order_of_an_upload_is_complete_at_its_last_file_and_not_before() -> None:
    files = ["config.json", "generation_config.json", *SHARDS]
    needed = {"config.json", *SHARDS}
    for first in range(len(files)):
        order = files[first:] + files[:first]
        for count in range(len(order) + 1):
            assert (missing_files(order[:count]) == ()) == (needed <= set(order[:count]))
